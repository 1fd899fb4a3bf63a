"""keystone: who asks, and what for."""
