"""What tools ask a running host over HTTP: functions, keys, its state, the page at its root."""
