import azure.functions as func
from ledger import note


def main(data: func.InputStream, settings: str, copy: func.Out[bytes]) -> None:
    note("copied", data.name, data.length, data.uri, settings)
    copy.set(data.read().upper())
