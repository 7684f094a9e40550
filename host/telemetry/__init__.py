"""Runs and what they log, sent to an OpenTelemetry collector."""
