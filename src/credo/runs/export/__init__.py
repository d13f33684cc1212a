"""A run's model in a form that others can use: one exporter per file."""
