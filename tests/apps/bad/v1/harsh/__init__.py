class Harsh(BaseException):
    pass


def main(req):
    raise Harsh('beyond Exception')
