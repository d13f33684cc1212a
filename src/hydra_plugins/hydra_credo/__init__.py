"""Sweepers and launchers, where Hydra looks for them."""
