import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("events")
@app.event_hub_message_trigger(arg_name="event", event_hub_name="%HUB_THAT_IS_NOT_SET%", connection="HubConnection")
@app.cosmos_db_output(arg_name="doc", database_name="db", container_name="c", connection="CosmosConnection")
@app.sql_input(arg_name="rows", command_text="select 1", connection_string_setting="SqlConnection")
def handle_event(event: str, doc: func.Out[str], rows: str) -> None:
    doc.set(json.dumps({"event": event, "rows": rows}))


@app.route(route="save")
@app.cosmos_db_output(arg_name="doc", database_name="db", container_name="c", connection="CosmosConnection")
def save(req: func.HttpRequest, doc: func.Out[str]) -> func.HttpResponse:
    doc.set(req.get_body().decode())
    return func.HttpResponse("saved")


@app.queue_trigger(arg_name="msg", queue_name="relayed", connection="AzureWebJobsStorage")
@app.service_bus_queue_output(arg_name="$return", queue_name="onwards", connection="BusConnection")
def relay(msg: func.QueueMessage) -> str:
    return f"{msg.get_body().decode()}, from the queue"


@app.schedule(schedule="0 0 2 * * *", arg_name="timer", run_on_startup=True)
@app.generic_output_binding(arg_name="mail", type="sendGrid", api_key="SendGridKey")
def nightly(timer: func.TimerRequest, mail: func.Out[str]) -> None:
    print("nightly has run")
    mail.set('{"subject": "good morning"}')


@app.function_name("typo")
@app.generic_trigger(arg_name="event", type="eventHubTriger")
def typo(event):
    pass


@app.route(route="ok")
def ok(req: func.HttpRequest) -> str:
    return "fine"
