def main(req):
    return {'value': object()}
