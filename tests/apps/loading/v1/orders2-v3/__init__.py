from . import parts_of_it


def main(req):
    return f"{__name__} {parts_of_it.__name__}"
