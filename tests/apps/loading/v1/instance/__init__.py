class Handler:
    def __call__(self, req):
        return "an object that can be called"


main = Handler()
