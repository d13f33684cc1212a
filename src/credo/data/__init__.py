"""Data sources: each file's class returns an `xarray.Dataset` with named dims and coords (see `base.Source`)."""
