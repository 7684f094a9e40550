import azure.functions as func


def main(timer: func.TimerRequest, mail: func.Out[str]) -> None:
    print("nightly has run")
    mail.set('{"subject": "good morning"}')
