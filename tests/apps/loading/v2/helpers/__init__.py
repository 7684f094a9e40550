VALUE = "a package of the root"
