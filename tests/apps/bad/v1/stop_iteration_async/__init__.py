async def main(req):
    raise StopIteration('over')
