"""What a run left in its folder, read back: a folder may be damaged, and it may be a stranger's."""
