import os


def main(req):
    return f"{os.getpid()}"
