from ..beside import VALUE


def handle(req):
    return f"{__name__} {VALUE}"
