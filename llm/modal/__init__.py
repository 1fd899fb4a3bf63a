"""Modal encoders: logs, metrics and alarms of each component as vectors, joined into one token a component."""
