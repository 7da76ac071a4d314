"""Whatever a part's state holds comes back as it was, or is refused by name."""

from __future__ import annotations

import copy
import json
from collections import deque
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ganreg.engine import state as states
from ganreg.engine.packing import pack, unpack
from ganreg.errors import ContractError

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    plain, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.integers() | st.text(), inner)
)


@given(values)
def test_plain_values_come_back_by_way_of_json(value: Any):
    assert unpack(json.loads(json.dumps(pack(value, "x", {}))), {}) == value


def test_tensors_lie_apart_under_the_name_of_their_place():
    tensors: dict[str, torch.Tensor] = {}
    packed = pack({"history": [torch.ones(2), (torch.zeros(()), 3)]}, "x", tensors)
    back = unpack(json.loads(json.dumps(packed)), tensors)

    assert list(tensors) == ["x.history.0", "x.history.1.0"]
    assert back["history"][0] is tensors["x.history.0"]
    assert back["history"][1] == (tensors["x.history.1.0"], 3)


def test_what_no_file_holds_is_refused_with_its_place():
    with pytest.raises(ContractError, match=r"the state at x\.queue is a deque, which a checkpoint cannot hold"):
        pack({"queue": deque([1])}, "x", {})


class Hoarder(torch.optim.SGD):
    """Keeps state wherever an optimizer can."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, lr=0.1)
        self.total = 0

    def step(self, closure: Any = None) -> None:
        super().step()
        self.total += 1
        for group in self.param_groups:
            group["coefficients"] = ((1.0, 2.0), (3.0, float(self.total)))
            group["d"] = torch.tensor(self.total / 2)
            for weight in group["params"]:
                self.state[weight]["past"] = [weight.detach().clone(), self.total]
        self.state["shared"] = {"mean": torch.tensor([float(self.total)])}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "total": self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.total = state_dict["total"]
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "total"})


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("make", [Hoarder, torch.optim.Adam, lambda params: torch.optim.AdamW(params, lr=torch.tensor(0.1))])
def test_an_optimizer_goes_on_with_all_that_it_kept(make: Any):
    def stepped(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad = torch.full_like(weight, 0.5)
        optimizer.step()
        return optimizer

    first = stepped(make([nn.Parameter(torch.ones(2, 3))]))
    tensors, values = states.packed_optimizer(first)
    again = make([nn.Parameter(first.param_groups[0]["params"][0].detach().clone())])
    copied = {name: tensor.clone() for name, tensor in tensors.items()}
    states.restore_optimizer(again, copied, json.loads(json.dumps(values)))

    assert equal(again.state_dict(), first.state_dict())
    wanted = copy.deepcopy(stepped(first).state_dict())
    assert equal(stepped(again).state_dict(), wanted)
