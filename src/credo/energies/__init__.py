"""Energies E(x), one kind per file: p(x) = exp(-E(x)) / Z, so that a lower energy is more likely."""
