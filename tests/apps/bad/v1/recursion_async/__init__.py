def down():
    return down()


async def main(req):
    return down()
