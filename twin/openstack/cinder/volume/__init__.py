"""The volume layer: the API that the others call, and cinder-volume itself."""
