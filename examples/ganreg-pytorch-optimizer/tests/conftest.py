"""One thread: for weights this small more of them only wait for each other."""

import torch

torch.set_num_threads(1)
