VALUE = "errors of the app"
