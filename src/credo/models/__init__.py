"""Models: NumPyro programs as `equinox.Module`s, one per file."""
