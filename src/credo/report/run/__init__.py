"""The page of a run, and the words in it."""
