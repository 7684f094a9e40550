import azure.functions as func


def main(timer: func.TimerRequest) -> None:
    raise RuntimeError("tick has failed")
