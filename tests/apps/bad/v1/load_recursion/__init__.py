def down():
    return down()


down()


def main(req):
    return 'loaded'
