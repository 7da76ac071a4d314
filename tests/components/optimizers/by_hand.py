"""One weight, moved along gradients that a reader can follow."""

import torch


def weight(value=1.0):
    return torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))


def stepped(build, gradients, **settings):
    """One weight of 1 after a step along each gradient."""
    w = weight()
    optimizer = build([w], **settings)
    for gradient in gradients:
        w.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return w.item()
