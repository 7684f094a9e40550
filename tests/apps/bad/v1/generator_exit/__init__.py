def main(req):
    raise GeneratorExit
