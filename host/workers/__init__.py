"""Worker processes seen from the host: which serve a function, how they are spoken to, what their end means."""
