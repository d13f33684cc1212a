"""credo from Python and from notebooks: the words of the command, or objects, and the same runs."""
