"""My idea, for ganreg."""
