"""What may be believed of a result: a summary, one check per file, and the verdict over them."""
