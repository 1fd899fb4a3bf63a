"""cinder-api: volumes, snapshots and attachments over HTTP."""
