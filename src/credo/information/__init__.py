"""Information theory: divergences, entropies and mutual information, all in nats."""
