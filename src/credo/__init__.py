"""credo: configured, diagnosed and logged experiments for probabilistic programming."""

__version__ = "0.1.0"
