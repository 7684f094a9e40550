raise ValueError('not like this')


def main(req):
    return 'loaded'
