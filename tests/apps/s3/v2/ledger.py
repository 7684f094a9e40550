from pathlib import Path

_FILE = Path(__file__).parent / "ledger.txt"


def note(*words):
    with _FILE.open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")
