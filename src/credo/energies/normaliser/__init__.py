"""The normaliser, log Z = log of the sum or integral of exp(-E): one way to it per file."""
