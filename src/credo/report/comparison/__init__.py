"""Runs side by side: what distinguishes them, whether each may be believed, and which predicts best.

`table.compare(runs)` is the whole of it: no files are written and nothing is printed. `command` is `credo compare`;
`page.sections(comparison, folder)` is what another page can take up.
"""
