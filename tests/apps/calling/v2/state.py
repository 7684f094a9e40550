import threading

#: How many calls of `hold` run now, and what lets them go on.
running = []
gate = threading.Event()
