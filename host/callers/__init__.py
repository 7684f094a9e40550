"""Results for callers who do not wait: a status to ask for, and a call back when it is there."""
