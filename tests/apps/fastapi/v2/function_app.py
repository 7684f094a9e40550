import azure.functions as func
import handlers

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


app.route(route="hello", methods=["GET", "POST"])(handlers.hello)
app.route(route="returns/{kind}", methods=["GET"])(handlers.returns)
app.route(route="plain", methods=["GET"])(handlers.plain)
app.route(route="items/{id:int}/{part?}", methods=["GET"])(handlers.item)
app.route(route="echo", methods=["POST"])(handlers.echo)
app.route(route="orders", methods=["POST"])(handlers.order)
app.route(route="form", methods=["POST"])(handlers.form)
app.route(route="cookies", methods=["GET"])(handlers.cookies)
app.route(route="fails/{how}", methods=["GET"])(handlers.fails)
store = app.queue_output("out", "work", "AzureWebJobsStorage")(app.route(route="store", methods=["GET"])(handlers.store))
app.route(route="gates/{name}", methods=["POST"])(handlers.open_gate)
app.route(route="gates/{name}", methods=["GET"])(handlers.wait_for_gate)
app.route(route="events", methods=["GET"])(handlers.events)
app.route(route="endless", methods=["GET"])(handlers.endless)
app.route(route="stubborn", methods=["GET"])(handlers.stubborn)
app.route(route="upload", methods=["POST"])(handlers.upload)
app.route(route="upper", methods=["POST"])(handlers.upper)
app.queue_trigger("msg", "work", "AzureWebJobsStorage")(handlers.work)
