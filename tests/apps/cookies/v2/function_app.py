import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="set", methods=["POST"])
def set_cookies(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with a Set-Cookie header for each line of the body."""
    response = func.HttpResponse("set")
    for line in req.get_body().decode().splitlines():
        response.headers.add("Set-Cookie", line)
    return response
