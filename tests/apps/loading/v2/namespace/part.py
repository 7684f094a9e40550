VALUE = "a folder without __init__"
