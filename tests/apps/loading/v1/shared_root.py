VALUE = "a module of the root"
