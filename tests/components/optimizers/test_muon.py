from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from torch import nn

from ganreg.components.optimizers.adamw import adamw
from ganreg.components.optimizers.muon import muon
from ganreg.contracts import Schedule
from ganreg.engine.gate import takes_flag
from ganreg.engine.state import packed_optimizer, restore_optimizer
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.optimizers.by_hand import stepped

FALLING = Schedule(start=0.1, stop=0.0, over_images=100)


def matrix(*shape, seed=0):
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), nn.Tanh(), nn.Linear(5, 1))


def descend(net, optimizer, steps=3, seed=1):
    x = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def test_a_turn_times_any_number_moves_a_weight_by_the_turn_at_a_fifth_of_the_root_of_its_size():
    turn, size = torch.tensor([[0.0, -1.0], [1.0, 0.0]]), 1.0 / math.sqrt(2.0)  # singular values of turn / ||turn||
    for _ in range(5):  # torch's five rounds of Newton and Schulz, whose coefficients are Muon's
        size = 3.4445 * size - 4.7750 * size**3 + 2.0315 * size**5
    for length in (1e-3, 1.0, 1e3):
        w = nn.Parameter(torch.zeros(2, 2))
        w.grad = length * turn
        muon([w], lr=0.1).step()

        torch.testing.assert_close(w.detach(), -0.1 * 0.2 * math.sqrt(2.0) * size * turn, rtol=0.02, atol=1e-6)
    assert 0.7 < size < 1.3


def test_a_matrix_moves_as_under_torchs_muon_bit_for_bit():
    ours, theirs = matrix(6, 4), matrix(6, 4)
    one = muon([ours], lr=0.01, momentum=0.9, weight_decay=0.1)
    other = torch.optim.Muon([theirs], lr=0.01, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for w, optimizer in ((ours, one), (theirs, other)):
            w.grad = matrix(6, 4, seed=step + 1).detach()
            optimizer.step()

    assert torch.equal(ours, theirs)


def test_a_convolution_moves_as_the_matrix_of_its_outputs():
    kernel, flat = matrix(4, 3, 2, 2), nn.Parameter(matrix(4, 3, 2, 2).detach().flatten(1).clone())
    one, other = muon([kernel], lr=0.01), muon([flat], lr=0.01)
    for step in range(3):
        kernel.grad = matrix(4, 3, 2, 2, seed=step + 1).detach()
        flat.grad = kernel.grad.flatten(1).clone()
        one.step()
        other.step()

    assert not torch.equal(kernel, matrix(4, 3, 2, 2))
    assert torch.equal(kernel.flatten(1), flat)


def test_the_order_of_a_weight_in_memory_changes_nothing():
    plain, last = matrix(4, 3, 2, 2), nn.Parameter(matrix(4, 3, 2, 2).detach().to(memory_format=torch.channels_last))
    one, other = muon([plain], lr=0.01), muon([last], lr=0.01)
    for step in range(3):
        plain.grad = matrix(4, 3, 2, 2, seed=step + 1).detach()
        last.grad = plain.grad.to(memory_format=torch.channels_last)
        one.step()
        other.step()

    assert last.is_contiguous(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    assert torch.equal(plain, last)
    assert torch.equal(one.state[plain]["momentum_buffer"], other.state[last]["momentum_buffer"])


def test_vectors_move_as_under_adamw():
    assert stepped(muon, [4.0], lr=0.1) == pytest.approx(0.9)
    for settings in ({"lr": 0.1}, {"lr": 3.0, "adam_lr": 0.1}):
        moved = stepped(muon, [4.0, -1.0, 2.0], weight_decay=0.5, adam_betas=(0.3, 0.9), **settings)
        assert moved == stepped(adamw, [4.0, -1.0, 2.0], weight_decay=0.5, betas=(0.3, 0.9), lr=0.1)


def test_what_has_one_row_or_column_is_a_vector_as_are_scalars():
    head, constant, scalar, bias = matrix(1, 8), matrix(1, 4, 2, 2), matrix(), matrix(4)
    column, line, pair = matrix(8, 1), matrix(3, 2, 5), matrix(2, 2)

    of_matrices, of_rest = muon([head, constant, scalar, bias, column, line, pair]).param_groups

    assert [id(one) for one in of_matrices["params"]] == [id(line), id(pair)]
    assert [id(one) for one in of_rest["params"]] == [id(one) for one in (head, constant, scalar, bias, column)]


def test_every_parameter_is_in_one_group_and_moves():
    net = network()
    before = [one.detach().clone() for one in net.parameters()]
    optimizer = muon(net.parameters(), lr=0.01)
    descend(net, optimizer)

    held = [id(one) for group in optimizer.param_groups for one in group["params"]]
    assert sorted(held) == sorted(id(one) for one in net.parameters())
    assert not any(torch.equal(one, old) for one, old in zip(net.parameters(), before, strict=True))


def test_a_checkpoint_holds_all_of_it_bit_for_bit():
    net = network()
    optimizer = muon(net.parameters(), lr=FALLING)
    descend(net, optimizer)
    twin = copy.deepcopy(net)
    again = muon(twin.parameters(), lr=FALLING)
    tensors, values = packed_optimizer(optimizer)
    restore_optimizer(again, {name: one.clone() for name, one in tensors.items()}, json.loads(json.dumps(values)))
    for each in ((net, optimizer), (twin, again)):
        descend(*each, seed=2)

    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), twin.parameters(), strict=True))
    assert {name.partition(".")[2] for name in tensors} == {"momentum_buffer", "step", "exp_avg", "exp_avg_sq"}
    assert again.param_groups[0]["schedules"] == {"lr": FALLING}


def test_a_copy_of_it_goes_on_alike():
    net = network()
    optimizer = muon(net.parameters(), lr=0.01)
    descend(net, optimizer)
    twin, again = copy.deepcopy((net, optimizer))
    for each in ((net, optimizer), (twin, again)):
        descend(*each, seed=2)

    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), twin.parameters(), strict=True))


def test_a_weight_without_a_gradient_stays():
    moved, idle = matrix(3, 3), matrix(3, 3)
    optimizer = muon([moved, idle, nn.Parameter(torch.ones(2))])
    moved.grad = torch.ones(3, 3)
    optimizer.step()

    assert torch.equal(idle, matrix(3, 3))
    assert not torch.equal(moved, idle)
    assert len(optimizer.state) == 1


def test_each_rate_follows_its_own_schedule():
    of_matrices, of_rest = muon(network().parameters(), lr=FALLING, adam_lr=0.3).param_groups

    assert (of_matrices["lr"], of_matrices["schedules"]) == (0.1, {"lr": FALLING})
    assert of_rest["lr"] == 0.3
    assert "schedules" not in of_rest


def test_a_rate_that_is_set_in_a_group_is_that_of_the_next_step():
    net = network()
    optimizer = muon(net.parameters())
    before = [one.detach().clone() for one in net.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    descend(net, optimizer)

    assert all(torch.equal(one, old) for one, old in zip(net.parameters(), before, strict=True))


def test_groups_and_named_parameters_are_taken_as_by_torch():
    w, b = matrix(3, 3), matrix(3)
    named = muon([("w", w), ("b", b)])
    w.grad, b.grad = torch.ones(3, 3), torch.ones(3)
    named.step()

    assert [group["param_names"] for group in named.param_groups] == [["w"], ["b"]]
    assert [group["lr"] for group in muon([{"params": w}, {"params": [b], "lr": 5.0}], lr=0.1).param_groups] == [0.1, 5.0]
    with pytest.raises(ValueError, match="empty parameter list"):
        muon([])


def test_a_closure_is_called_with_gradients():
    w = matrix(3, 3)

    def closure():
        value = w.square().sum()
        value.backward()
        return value

    assert muon([w]).step(closure).item() == pytest.approx(matrix(3, 3).square().sum().item())


def test_it_takes_no_flag_on_the_device():
    assert not takes_flag(muon(network().parameters()))


@pytest.mark.parametrize(("setting", "value"), [("lr", 0), ("adam_lr", 0), ("momentum", 1.0), ("weight_decay", -1)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        validate(model_of(muon, 1), {setting: value}, owner="optimizer 'muon'")


def test_the_rate_of_vectors_may_be_a_schedule_or_none():
    given = validate(model_of(muon, 1), {"adam_lr": {"start": 0.1, "stop": 0, "over_images": 100}}, owner="optimizer 'muon'")

    assert given["adam_lr"] == FALLING
    assert validate(model_of(muon, 1), {}, owner="optimizer 'muon'")["adam_lr"] is None
