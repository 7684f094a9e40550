def main(req: 'NoSuchType'):
    return 'loaded'
