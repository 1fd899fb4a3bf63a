"""Nova: servers. The modules are named as in nova's own source."""
