"""Data sets: in the package, drawn by a formula, or read from a folder, one file each."""
