"""AWS on this machine, for development and tests: moto's server, made safe for many callers."""
