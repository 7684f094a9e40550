from . import util
from .settings import NAME


def main(req):
    return f"{util.NAME} {NAME}"
