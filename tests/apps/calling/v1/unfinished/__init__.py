def main(req):
    print("without an end", end="")
    return "done"
