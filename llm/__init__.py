"""The interpreter: a telemetry window in, a Diagnosis out. Knows the twin's telemetry types and nothing else of it."""
