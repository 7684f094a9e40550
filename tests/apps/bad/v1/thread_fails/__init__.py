import threading


def down():
    return down()


def main(req):
    thread = threading.Thread(target=down)
    thread.start()
    thread.join()
    return 'joined'
