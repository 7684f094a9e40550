"""How a host fares: what it counts, whether it is ready, and both as Prometheus and probes ask for it."""
