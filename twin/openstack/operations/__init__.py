"""What operators do to an OpenStack site, beyond its single parts."""
