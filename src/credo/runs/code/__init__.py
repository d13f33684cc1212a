"""The code of a run: what it was made of, kept beside its answer, and compared with what is there now."""
