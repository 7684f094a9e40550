import sys


def main(req):
    sys.setrecursionlimit(120)
    return 'low'
