"""Simulation-based calibration: does an inference find parameters that were drawn from the prior, as it says?"""
