VALUE = "a module of a package"
