import pytest


def main(req):
    return f"{__name__} {pytest.__name__} {hasattr(pytest, 'fixture')}"
