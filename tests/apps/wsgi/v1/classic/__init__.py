import azure.functions as func
from flask import Flask

app = Flask(__name__)


@app.get("/api/classic/<name>")
def classic(name):
    return {"classic": name}


main = func.WsgiMiddleware(app).main
