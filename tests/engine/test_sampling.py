from __future__ import annotations

import torch

from ganreg.engine.sampling import Labels, refresh, sample
from tests.engine.small import CPU, Generator

NONE = Labels()


def test_a_sample_depends_on_the_seed_and_not_on_how_many_there_are():
    network = Generator().eval()
    many = sample(network, 100, labels=NONE, seed=7, device=CPU)

    torch.testing.assert_close(sample(network, 10, labels=NONE, seed=7, device=CPU), many[:10])
    assert many.shape == (100, 2)
    assert not torch.equal(sample(network, 10, labels=NONE, seed=8, device=CPU), many[:10])


def test_labels_follow_the_shares_of_the_data():
    labels = Labels.like(torch.tensor([0, 0, 0, 2]), num_classes=3)
    drawn = labels.draw(4000, torch.Generator().manual_seed(0))

    assert labels.shares.tolist() == [0.75, 0.0, 0.25]
    assert 0.72 < (drawn == 0).float().mean() < 0.78
    assert not (drawn == 1).any()


def test_without_classes_there_are_no_labels():
    assert NONE.draw(3, torch.Generator()) is None


def test_refreshed_statistics_are_the_means_of_what_the_network_makes():
    torch.manual_seed(0)
    network = Generator(norm=True).eval()
    norm = network.layers[1]

    refresh(network, labels=NONE, device=CPU)

    z = torch.randn(100_000, 3)
    torch.testing.assert_close(norm.running_mean, network.layers[0](z).mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(norm.running_var, network.layers[0](z).var(0), atol=0.1, rtol=0.1)
    assert norm.momentum == 0.1
    assert not network.training


def test_sampling_is_done_in_eval_mode_and_leaves_the_mode_as_it_was():
    network = Generator(norm=True).train()
    before = network.layers[1].running_mean.clone()

    sample(network, 10, labels=NONE, seed=0, device=CPU)

    assert network.training
    assert torch.equal(network.layers[1].running_mean, before)
