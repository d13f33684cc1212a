"""Simulation-based calibration of a model and a method: many problems drawn from the prior, each inferred."""
