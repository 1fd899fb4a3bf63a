"""placement: what hosts have and what is claimed of it."""
