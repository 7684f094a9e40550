def mian(req):
    return 'loaded'
