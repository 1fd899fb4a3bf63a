"""The creation of a volume as taskflow runs it, in cinder-api and in cinder-volume."""
