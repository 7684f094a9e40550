import os
import signal


def main(req):
    os.kill(os.getpid(), signal.SIGTERM)
    return 'still here'
