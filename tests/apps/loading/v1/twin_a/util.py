NAME = "util of a"
