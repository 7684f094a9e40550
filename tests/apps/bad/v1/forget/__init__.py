import sys


FORGOTTEN = ('json', 'asyncio', 'logging', 'azure', '__app__', 'inspect', 'traceback', 'encodings')


def main(req):
    for name in list(sys.modules):
        if name.partition('.')[0] in FORGOTTEN:
            del sys.modules[name]
    return 'forgotten'
