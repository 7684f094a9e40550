VALUE = "logs of the app"
