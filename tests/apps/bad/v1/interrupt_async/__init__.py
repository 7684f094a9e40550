async def main(req):
    raise KeyboardInterrupt
