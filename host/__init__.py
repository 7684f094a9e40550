"""The process: settings, discovery, executor, worker pool, leases, admin API and the command line."""
