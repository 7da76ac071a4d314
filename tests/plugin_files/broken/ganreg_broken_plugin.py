"""Fails at import, as a plugin with a missing dependency does."""

raise ImportError("no module named 'left_pad'")
