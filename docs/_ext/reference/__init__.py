"""The pages of the reference, which the configuration and the code write themselves; Sphinx is not needed for it."""
