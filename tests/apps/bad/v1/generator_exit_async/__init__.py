async def main(req):
    raise GeneratorExit
