def main(req):
    return object()
