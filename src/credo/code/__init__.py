"""The user's own code: how it is found, what of it makes a run, and whether it is still the same."""
