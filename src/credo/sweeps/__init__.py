"""Sweeps: many jobs by one command, by Hydra's own words (`credo -m`)."""
