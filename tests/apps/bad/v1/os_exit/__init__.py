import os


def main(req):
    os._exit(7)
