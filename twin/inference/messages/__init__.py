"""What the inference cluster's programs print: one module a program, one template a log statement."""
