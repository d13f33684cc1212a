"""How networks are trained: one objective per file."""
