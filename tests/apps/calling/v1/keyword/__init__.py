def main(*, req):
    return "by keyword"
