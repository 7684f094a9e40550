VALUE = "with a relative import"
