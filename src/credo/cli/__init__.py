"""The command `credo`: one file per verb."""
