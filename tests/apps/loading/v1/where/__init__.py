import json
import os
import sys


def main(req):
    with open("data.txt") as file:
        text = file.read()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return json.dumps(
        {
            "text": text,
            "name": __name__,
            "package": __package__,
            "file": os.path.relpath(__file__, root),
            "works in": os.path.samefile(os.getcwd(), root),
            "root is last": os.path.samefile(sys.path[-1], root),
            "main": "__main__" in __name__,
        }
    )
