class Harsh(BaseException):
    pass


raise Harsh('beyond Exception')


def main(req):
    return 'loaded'
