"""Initial weights: DCGAN's small normal ones, and those that keep a signal's size through many layers.

    dcgan_   weight ~ N(0, 0.02)                           gain of a normalisation ~ N(1, 0.02)        every bias 0
    he_      weight ~ N(0, 2 / ((1 + slope²) inputs))      for linear layers before a leaky ReLU       every bias 0

Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional GANs", 2015.
https://arxiv.org/abs/1511.06434
He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.  https://arxiv.org/abs/1502.01852
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


def he_(network: nn.Module, slope: float) -> None:
    """Draw every linear weight of `network` anew, in place; `slope` is that of the leaky ReLU for negative numbers.

    Random numbers come from torch's global generator, in the order of `network.modules()`.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
