"""`python -m automl.cli`: the same as the console script `automl`."""

from automl.cli import main

main()
