"""What a cluster emits: records, metrics, traces and alarms, and the formats they are written in."""
