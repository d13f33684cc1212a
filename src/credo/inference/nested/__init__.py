"""Nested sampling: from the prior to the posterior by levels of the likelihood."""
