"""From a problem and a budget to finished trials with out-of-fold predictions, and their ensemble."""
