"""Formats in which a run leaves the twin, each a module that reads a telemetry folder."""
