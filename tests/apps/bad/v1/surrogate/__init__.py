def main(req):
    return '\ud800'
