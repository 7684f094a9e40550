from . import no_such_module


def main(req):
    return 'loaded'
