raise RuntimeError("the installed package wins")
