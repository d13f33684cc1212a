"""Populations of particles that go from the prior to the posterior."""
