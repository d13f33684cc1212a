"""Runs side by side: what distinguishes them, whether each may be believed, and which predicts best.

`compare.compare(runs)` is the whole of it: no files are written and nothing is printed.
`page.sections(comparison, folder)` is for other pages, such as that of a sweep.
"""
