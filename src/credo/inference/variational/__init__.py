"""Approximations of the posterior from which independent draws are made."""
