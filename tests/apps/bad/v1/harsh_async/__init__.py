class Harsh(BaseException):
    pass


async def main(req):
    raise Harsh('beyond Exception')
