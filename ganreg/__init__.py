"""ganreg trains GANs from parts; every name here is public, and found only when it is used."""

__version__ = "0.1.0"
