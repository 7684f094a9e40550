def main(event):
    pass
