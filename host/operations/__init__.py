"""What people do with a host's store: operations that the command line and the admin API share."""
