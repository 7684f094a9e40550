def main(req: str) -> str:
    return f"tolerant: {req}"
