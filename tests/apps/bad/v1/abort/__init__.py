import os


def main(req):
    os.abort()
