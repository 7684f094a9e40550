import threading


def main(req):
    return f"{threading.current_thread() is threading.main_thread()}"
