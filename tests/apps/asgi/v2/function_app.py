import azure.functions as func
from web import app as web_app

app = func.AsgiFunctionApp(app=web_app, http_auth_level=func.AuthLevel.ANONYMOUS)
