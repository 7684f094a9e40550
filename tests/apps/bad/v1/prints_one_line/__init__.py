def main(req):
    print('y' * 10_000_000)
    return 'printed'
