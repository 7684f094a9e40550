async def main(req):
    raise ValueError("not now")
