import azure.functions as func


def main(the_request: func.HttpRequest, _answer: func.Out[func.HttpResponse]) -> None:
    _answer.set(func.HttpResponse(the_request.params["say"]))
