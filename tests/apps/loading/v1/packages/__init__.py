import blinker
import vendored


def main(req):
    return f"{vendored.VALUE}, {blinker.VALUE}"
