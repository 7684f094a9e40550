import json
import logging

import azure.functions as func


class Message:
    """As azure.servicebus has it, whose clients these functions were written for."""

    def __init__(self, body, session_id=None, message_id=None, application_properties=None):
        self.body = [body.encode()]
        self.session_id = session_id
        self.message_id = message_id
        self.application_properties = application_properties


def tell(function, *what):
    logging.info("%s: %s", function, json.dumps(what))


def place(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_json()["text"])
    return func.HttpResponse("placed")


def send(req: func.HttpRequest, out: func.Out[func.QueueMessage]) -> func.HttpResponse:
    out.set(req.get_json())
    return func.HttpResponse("sent")


def give(req: func.HttpRequest):
    return {"$message": req.get_body().decode(), "sessionId": "given", "dedupId": "given-1"}


def bus(req: func.HttpRequest, out) -> func.HttpResponse:
    out.set([Message(text, "bus", text, {"from": "bus"}) for text in req.get_json()])
    return func.HttpResponse("sent")


def work(msg: func.QueueMessage, context: func.Context):
    text, known = msg.get_body().decode(), context.metadata
    tell("work", text, msg.dequeue_count, known["sessionId"], known["priority"], known["dedupId"])
    if text.startswith("fail") and msg.dequeue_count == 1:
        raise ValueError("not yet")
    return text.upper()


def after(msg: func.QueueMessage, context: func.Context):
    known = context.metadata
    tell("after", msg.get_body().decode(), known["sessionId"], known["correlationId"], known["applicationProperties"])


def ranked(msg: func.QueueMessage, context: func.Context):
    tell("ranked", msg.get_body().decode(), context.metadata["priority"])
