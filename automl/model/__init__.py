"""What is versioned, packaged and served: schema, weighted learners, self-test rows, reference."""
