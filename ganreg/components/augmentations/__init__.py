"""Augmentations: what is done to reals and fakes alike before the discriminator sees them, one file each."""
