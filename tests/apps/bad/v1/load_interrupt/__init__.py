raise KeyboardInterrupt


def main(req):
    return 'loaded'
