import helpers.words
import shared_root
from __app__ import shared_root as same_root
from __app__.helpers import VALUE as absolute
from __app__.helpers.words import VALUE as deep
from __app__.namespace import part
from helpers import VALUE as top_level

from .. import helpers as relative
from ..helpers import VALUE as relative_name
from . import local
from .local import VALUE as local_name
from .nested import inner


def main(req):
    found = [
        helpers.words.VALUE,
        shared_root.VALUE,
        same_root.VALUE,
        absolute,
        deep,
        part.VALUE,
        top_level,
        relative.VALUE,
        relative_name,
        local.VALUE,
        local_name,
        inner.VALUE,
    ]
    return "\n".join(found)
