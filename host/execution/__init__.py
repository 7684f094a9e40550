"""One event's way through the host: locks, attempts, bindings, outcome."""
