"""The kinds of leak, one a file: each finds columns that know the target better than they should."""
