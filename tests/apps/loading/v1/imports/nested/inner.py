from .. import local

VALUE = f"{local.VALUE}, from below"
