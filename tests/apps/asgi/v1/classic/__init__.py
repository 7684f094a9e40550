import threading

import azure.functions as func
from fastapi import FastAPI

app = FastAPI()


@app.get("/api/classic/{name}")
async def classic(name: str):
    return {"classic": name, "main": threading.current_thread() is threading.main_thread()}


main = func.AsgiMiddleware(app).main
