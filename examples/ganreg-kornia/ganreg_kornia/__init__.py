"""kornia's differentiable augmentations, by name in ganreg."""
