"""nova's drivers of hypervisors: libvirt."""
