NAME = "settings of b"
