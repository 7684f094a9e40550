"""A Flask app as it would run anywhere: nothing in it knows of functions."""

import logging

from flask import Flask, Response, abort, jsonify, make_response, redirect, request

app = Flask(__name__)


@app.get("/")
def index():
    return "index of the app"


@app.get("/api/hello")
def hello():
    logging.info("greeting %s", request.args.get("name", "you"))
    return jsonify(hello=request.args.get("name", "you"))


@app.get("/api/items/<int:item_id>")
def item(item_id):
    return {"item": item_id, "tags": request.args.getlist("tag")}


@app.get("/api/files/<path:path>")
def file(path):
    return {"path": path}


@app.post("/api/orders")
def order():
    return request.get_json(), 201


@app.post("/api/form")
def form():
    return {key: request.form.getlist(key) for key in request.form}


@app.post("/api/upload")
def upload():
    sent = request.files["file"]
    return {
        "name": sent.filename,
        "type": sent.content_type,
        "size": len(sent.read()),
        "note": request.form["note"],
    }


@app.post("/api/echo")
def echo():
    return Response(request.get_data(), mimetype=request.mimetype)


@app.route("/api/put", methods=["PUT", "PATCH", "DELETE"])
def put():
    return request.method


@app.get("/api/cookies")
def cookies():
    response = make_response(request.cookies.get("session", "none"))
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "2", max_age=60)
    return response


@app.get("/api/moved")
def moved():
    return redirect("/api/hello?name=moved")


@app.get("/api/chunks")
def chunks():
    return Response((f"line {number}\n" for number in range(3)), mimetype="text/plain")


@app.get("/api/refused")
def refused():
    abort(403)


@app.get("/api/unavailable")
def unavailable():
    return "not now", 503


@app.get("/api/broken")
def broken():
    raise ValueError("the view broke")


@app.get("/api/complains")
def complains():
    request.environ["wsgi.errors"].write("something is odd\n")
    return "fine"


@app.get("/api/environ")
def environ():
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "HTTP_X_OWN")
    return {name: request.environ[name] for name in names}
