"""Point estimates: modes of a density, and the curvature there."""
