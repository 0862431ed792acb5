"""What is in the data, said plainly: quality, privacy, leakage, and how an honest validation must be cut."""
