"""Pure functions and frozen data that both twins use (honesty rule 5). Nothing here knows SimPy or JAX."""
