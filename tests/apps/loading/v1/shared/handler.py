def main(req):
    return __name__


def second(req):
    return f"second of {__name__}"
