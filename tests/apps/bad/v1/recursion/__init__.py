def down():
    return down()


def main(req):
    return down()
