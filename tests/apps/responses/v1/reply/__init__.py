import azure.functions as func
from shapes import SHAPES


def main(req: func.HttpRequest):
    return SHAPES[req.route_params["shape"]]()
