class Mute(Exception):
    def __str__(self):
        raise RuntimeError('no words')


raise Mute


def main(req):
    return 'loaded'
