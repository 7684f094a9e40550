import logging

import azure.functions as func

import deeds

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("plain", methods=["GET"])
def plain(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    deeds.do(req.params["do"], context)
    return func.HttpResponse(context.invocation_id)


@app.route("coroutine", methods=["GET"])
async def coroutine(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    await getattr(deeds, req.params["do"])(context)
    return func.HttpResponse(context.invocation_id)


@app.queue_trigger("msg", "orders", "AzureWebJobsStorage")
def orders(msg: func.QueueMessage) -> None:
    logging.info("order %s", msg.get_body().decode())
    if msg.get_body() == b"bad":
        raise ValueError("a bad order")
