import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganreg.components.optimizers.common import first_rate, is_capturable, is_fused, listed, scheduled
from ganreg.contracts import Schedule

FALLING = Schedule(start=0.1, stop=0.0, over_images=100)


def weights(device="cpu", dtype=torch.float32):
    return torch.nn.Parameter(torch.ones(2, device=device, dtype=dtype))


def test_iterators_of_parameters_can_be_read_twice_once_listed():
    one, two = weights(), weights()
    groups = listed([{"params": iter([one]), "lr": 3.0}, {"params": two}])

    for _ in range(2):
        assert [[id(p) for p in group["params"]] for group in groups] == [[id(one)], [id(two)]]
    assert groups[0]["lr"] == 3.0
    assert listed(iter([one, two])) == [one, two]


def test_the_callers_groups_are_left_as_they_were():
    group = {"params": weights()}
    listed([group])

    assert isinstance(group["params"], torch.Tensor)


def test_floating_point_weights_on_the_cpu_are_fused_but_not_capturable():
    assert is_fused([weights()])
    assert not is_capturable([weights()])


def test_weights_on_a_cuda_device_are_fused_and_capturable():
    with FakeTensorMode():  # says what a card would hold, without one
        weight = weights("cuda")

    assert is_fused([weight])
    assert is_capturable([weight])
    assert not is_capturable([weight, weights("cpu")])


def test_weights_of_another_device_or_of_complex_numbers_are_not_fused():
    assert not is_fused([weights("meta")])
    assert not is_fused([weights(), weights(dtype=torch.complex64)])


def test_groups_and_named_parameters_are_looked_into():
    assert not is_fused(listed([{"params": [weights()]}, {"params": [weights("meta")]}]))
    assert not is_fused([("weight", weights()), ("bias", weights("meta"))])
    assert is_fused([("weight", weights())])


def test_the_first_rate_of_a_schedule_is_its_start():
    assert first_rate(FALLING) == 0.1
    assert first_rate(1) == 1.0


def test_a_schedule_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"expected a learning rate of at least 0, got a schedule from 0.1 to -0.1"):
        first_rate(Schedule(start=0.1, stop=-0.1, over_images=100))


def test_a_schedule_is_put_into_every_group():
    optimizer = scheduled(torch.optim.SGD([{"params": [weights()]}, {"params": [weights()]}], lr=0.1), FALLING)

    assert [group["schedules"] for group in optimizer.param_groups] == [{"lr": FALLING}] * 2


def test_a_constant_rate_puts_nothing_into_the_groups():
    assert "schedules" not in scheduled(torch.optim.SGD([weights()], lr=0.1), 0.1).param_groups[0]
