NAME = "util of b"
