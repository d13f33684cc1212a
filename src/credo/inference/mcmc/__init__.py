"""Markov chains: blocks, adaptation, and one kernel per file."""
