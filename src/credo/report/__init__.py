"""What a person reads of a finished run: one self-contained page, its plots, and the numbers in it."""
