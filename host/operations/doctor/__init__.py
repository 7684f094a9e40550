"""Looks for what keeps an app from working: one module for each thing that is looked at."""
