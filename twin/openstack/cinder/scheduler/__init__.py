"""cinder-scheduler: which backend takes a volume."""
