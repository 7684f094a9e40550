def main(req):
    raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])
