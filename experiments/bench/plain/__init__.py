"""The fast twin without JAX: the same arithmetic, carried out by NumPy over all environments at once.

A second twin written by hand would be a weak copy, or soon an old one. This one follows by itself: JAX only traces the
twin's functions, once; what was traced is then a list of NumPy calls on arrays `[environments, …]`, each over all
environments at once and in float32, without what nobody reads, what is computed twice, and what is the same in every
tick.
"""

from experiments.bench.plain.twin import LAST, decision

__all__ = ["LAST", "decision"]
