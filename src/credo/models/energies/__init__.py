"""Families of energies for `model=ebm`, one per file: what is unknown of an energy, under priors."""
