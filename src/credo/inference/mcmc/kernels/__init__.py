"""Kernels of Markov chains, one per file."""
