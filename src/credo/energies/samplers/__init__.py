"""Samplers of states x by exp(-E(x)): one per file, many chains in step."""
