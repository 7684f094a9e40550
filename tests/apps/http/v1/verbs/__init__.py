def main(req) -> str:
    return req.method
