"""For funchost: queues and blobs in a shared folder, and a trigger for the lines of a growing file."""
