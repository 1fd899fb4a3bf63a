"""`python -m experiments` is `healtwin`."""

from experiments.cli import main

main()
