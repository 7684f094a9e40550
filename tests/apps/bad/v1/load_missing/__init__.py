import no_such_package.part


def main(req):
    return 'loaded'
