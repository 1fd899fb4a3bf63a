"""heat: stacks."""
