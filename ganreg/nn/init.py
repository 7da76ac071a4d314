"""Initial weights: DCGAN's small normal ones.

    weight ~ N(0, 0.02)        gain of a normalisation ~ N(1, 0.02)        every bias 0

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional GANs", 2015.
https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from torch import nn

STD = 0.02


def dcgan_(network: nn.Module, std: float = STD) -> None:
    """Draw every linear and convolution weight and every normalisation gain of `network` anew, in place.

    Random numbers come from torch's global generator, in the order of `network.modules()`.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
