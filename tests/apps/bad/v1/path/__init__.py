import sys


def main(req):
    sys.path.clear()
    sys.argv.clear()
    return 'cleared'
