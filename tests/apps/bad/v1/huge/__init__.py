def main(req):
    return 'h' * 20_000_000
