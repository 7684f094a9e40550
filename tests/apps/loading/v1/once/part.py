import __app__.once as parent  # noqa: F401
