def main(req):
    yield "one "
    yield "two"
