import os


def main(req):
    os.chdir('/')
    return os.getcwd()
