"""What a function finds in a form."""

import json

import azure.functions as func


def describe(req: func.HttpRequest) -> func.HttpResponse:
    found = {
        "form": {name: req.form.getlist(name) for name in req.form},
        "files": [
            [name, file.filename, file.mimetype, file.read().hex()] for name, file in req.files.items(multi=True)
        ],
    }
    return func.HttpResponse(json.dumps(found), mimetype="application/json")
