import azure.functions as func
from web import app as web_app

app = func.WsgiFunctionApp(app=web_app.wsgi_app, http_auth_level=func.AuthLevel.ANONYMOUS)
