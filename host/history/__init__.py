"""What is kept of runs while a host runs them."""
