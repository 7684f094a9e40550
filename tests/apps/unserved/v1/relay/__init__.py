import azure.functions as func


def main(msg: func.QueueMessage) -> str:
    return f"{msg.get_body().decode()}, from the queue"
