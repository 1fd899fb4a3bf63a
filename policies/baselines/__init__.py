"""Policies that do not learn: what a learnt one is compared with."""
