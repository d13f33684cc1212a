"""Ways to log p(data), each in its file."""
