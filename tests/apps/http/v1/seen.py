"""What a function saw of its request."""

import hashlib

import azure.functions as func


def seen(req: func.HttpRequest) -> dict:
    body = req.get_body()
    return {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route_params": dict(req.route_params),
        "type": type(body).__name__,
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
