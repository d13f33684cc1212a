"""Inference: one method per file, all returning the same `Result`."""
