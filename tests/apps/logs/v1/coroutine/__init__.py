import azure.functions as func

import deeds


async def main(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    await getattr(deeds, req.params["do"])(context)
    return func.HttpResponse(context.invocation_id)
