"""Readers of real log lines: what the header says, and the message behind it."""
