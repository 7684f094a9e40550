import sys


class Mute(Exception):
    def __str__(self):
        raise RuntimeError('no words')


class MuteRepr(Exception):
    def __str__(self):
        sys.exit('not even this')

    __repr__ = __str__


def main(req):
    raise MuteRepr
