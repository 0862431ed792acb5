"""From a source to conformed rows: reading, schema, conforming, splits. Knows nothing of models."""
