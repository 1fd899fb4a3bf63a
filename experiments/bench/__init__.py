"""Benchmarks: figures beside anchors that ran in the same minute."""
