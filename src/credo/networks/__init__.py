"""Networks as `equinox.Module`s, one kind per file: every leaf is an array of weights, every word is static."""
