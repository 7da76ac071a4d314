"""What is done to data before training: looked at, packed, measured.  Nothing here imports torch before it is needed."""
