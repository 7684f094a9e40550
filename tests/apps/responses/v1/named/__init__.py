import azure.functions as func
from shapes import SHAPES


def main(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(SHAPES[req.route_params["shape"]]())
