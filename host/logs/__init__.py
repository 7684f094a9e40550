"""What the host says: levels, formats, and the lines of each invocation."""
