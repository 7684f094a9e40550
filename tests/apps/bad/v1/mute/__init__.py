class Mute(Exception):
    def __str__(self):
        raise RuntimeError('no words')


def main(req):
    raise Mute
