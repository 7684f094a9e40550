"""What the app's settings files say: read, checked, and told with their place."""
