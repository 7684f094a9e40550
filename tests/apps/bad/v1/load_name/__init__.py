from json import nothing_of_this_name


def main(req):
    return 'loaded'
