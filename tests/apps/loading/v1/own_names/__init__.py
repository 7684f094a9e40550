import errors
import logs


def main(req):
    return f"{errors.VALUE}, {logs.VALUE}"
