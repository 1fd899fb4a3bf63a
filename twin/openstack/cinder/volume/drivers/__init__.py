"""Drivers of storage backends."""
