"""What makes a function run: listeners that turn a happening into an event, and settle it."""
