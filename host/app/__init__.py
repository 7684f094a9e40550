"""What the functions of an app are: found, read and checked, one descriptor each."""
