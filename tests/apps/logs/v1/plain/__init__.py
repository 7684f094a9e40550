import azure.functions as func

from deeds import do


def main(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    do(req.params["do"], context)
    return func.HttpResponse(context.invocation_id)
