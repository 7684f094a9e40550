import json


def main(req):
    return json.dumps([__name__])
