import azure.functions as func

orders = func.Blueprint()


@orders.route(route="orders/{id?}")
async def order(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(f"{req.route_params.get('id', 'all')} {context.function_directory}")
