"""`python -m edge` is `msl-node`."""

from edge.cli import main

main()
