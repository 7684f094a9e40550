def main(data: bytes) -> bytes:
    return data
