import azure.functions as func

READY = func.HttpResponse("ready", headers={"Set-Cookie": "a=1"})


async def main(req: func.HttpRequest) -> func.HttpResponse:
    return READY
