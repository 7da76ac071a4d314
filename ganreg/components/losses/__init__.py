"""Losses: what the discriminator and the generator are told about the logits, one file each."""
