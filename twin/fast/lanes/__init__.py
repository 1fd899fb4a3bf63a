"""Many lanes at once with the lanes as the last axis of every array, where `jax.vmap` puts them first.

A cluster's arrays are short (four replicas, seven hosts) and its lanes are thousands. With lanes last, neighbours in
memory are the same quantity of neighbouring lanes, so that each arithmetic loop fills a processor's vector registers,
and looking something up in a short array becomes a few selections.

A function is traced for one lane, and what was traced is then carried out operation by operation, with a rule for each
(`axes`, `indexing`); an operation without a rule goes by JAX's own batching.
"""

from twin.fast.lanes.evaluation import lanes_last

__all__ = ["lanes_last"]
