from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from ganreg.contracts import DataSpec
from ganreg.engine.data import Batch, Batches, Order, check, source_of
from ganreg.errors import BadSampleError, TooFewSamplesError

CPU = torch.device("cpu")


def stream(data: object, *, position: int = 0, count: int = 5, **options: object) -> list[torch.Tensor]:
    batches = Batches(source_of(data), **({"batch_size": 4, "seed": 0, "device": CPU} | options))
    batches.seek(position)
    return [batches.next().real for _ in range(count)]


def test_each_epoch_holds_every_sample_once_in_another_order():
    order = Order(10, seed=1)
    first, second = order.indices(0, 10), order.indices(10, 10)

    assert sorted(first.tolist()) == list(range(10))
    assert sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()


def test_a_batch_may_cross_the_edge_of_an_epoch():
    order = Order(10, seed=1)

    assert order.indices(8, 4).tolist() == [*order.indices(8, 2).tolist(), *order.indices(10, 2).tolist()]


def test_seeds_give_orders_of_their_own():
    assert Order(100, seed=1).indices(0, 100).tolist() != Order(100, seed=2).indices(0, 100).tolist()


class Mapped(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([float(index)])


NUMBERS = torch.arange(10.0)[:, None]
INPUTS = {
    "tensor": NUMBERS,
    "pair": (NUMBERS, torch.zeros(10, dtype=torch.int64)),
    "tensor dataset": TensorDataset(NUMBERS),
    "dataset": Mapped(),
    "loader": DataLoader(Mapped(), batch_size=3, shuffle=True),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_every_form_of_data_gives_the_same_stream_from_any_position(kind: str):
    whole = stream(NUMBERS, count=6)

    assert torch.equal(torch.cat(stream(INPUTS[kind], position=8, count=4)), torch.cat(whole[2:]))


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_worker_processes_give_the_same_stream():
    assert torch.equal(torch.cat(stream(Mapped(), workers=2)), torch.cat(stream(Mapped())))


class Endless(IterableDataset[torch.Tensor]):
    def __iter__(self):
        yield from (torch.tensor([float(index)]) for index in range(10))


def test_data_with_an_order_of_its_own_is_read_on_and_on_and_resumes_with_a_warning():
    batches = Batches(source_of(Endless()), batch_size=4, seed=0, device=CPU)
    seen = [batches.next().real for _ in range(3)]
    with pytest.warns(UserWarning, match="resuming is not exact"):
        batches.seek(8)

    assert [batch[0].item() for batch in seen] == [0.0, 4.0, 0.0]
    assert batches.next().real[0].item() == 0.0
    assert batches.position == 12


def test_images_in_bytes_become_minus_one_to_one():
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)

    assert sorted(torch.cat(stream(images, batch_size=2, count=1)).flatten().tolist()) == [-1.0, 1.0]


def test_a_spec_is_inferred_from_the_first_sample():
    labels = torch.tensor([0, 4, 2])
    assert source_of((torch.zeros(3, 1, 8, 8), labels)).spec == DataSpec((1, 8, 8), 5, (-1.0, 1.0))
    assert source_of(torch.zeros(3, 2)).spec == DataSpec((2,))


def test_what_is_no_data_set_is_refused():
    with pytest.raises(TypeError, match=r"expected a tensor, a pair of tensors, a Dataset, a DataLoader .* got int"):
        source_of(3)
    with pytest.raises(ValueError, match="as many labels as samples, got 2 and 3"):
        source_of((torch.zeros(3, 2), torch.zeros(2)))


def test_fewer_samples_than_a_batch_are_refused():
    with pytest.raises(TooFewSamplesError, match=r"error\[GR302\]: one batch is 64 samples, the data set has 10"):
        Batches(source_of(NUMBERS), batch_size=64, seed=0, device=CPU)


IMAGE = DataSpec((1, 2, 2), value_range=(-1.0, 1.0))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (torch.full((2, 1, 2, 2), torch.nan), "holds nan or inf"),
        (torch.zeros(2, 1, 2, 2), "every value of the first batch is 0"),
        (torch.rand(2, 1, 3, 3), r"has shape \[1, 3, 3\], the data set promises \[1, 2, 2\]"),
    ],
)
def test_a_first_batch_that_cannot_be_trained_on_is_refused(values: torch.Tensor, what: str):
    with pytest.raises(BadSampleError, match=f"GR305.*{what}"):
        check(Batch(values, None), IMAGE)


@pytest.mark.parametrize("factor", [1.0, 255.0])
def test_images_in_another_range_than_promised_are_told(factor: float):
    with pytest.warns(UserWarning, match=r"promises values in \[-1, 1\], the first batch has \[0, "):
        check(Batch(torch.tensor([0.0, 1.0, 0.5, 1.0]).reshape(1, 1, 2, 2) * factor, None), IMAGE)


def test_what_the_user_does_to_a_sample_is_not_passed_over():
    class Doubled(TensorDataset):
        def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
            return (super().__getitem__(index)[0] * 2,)

    whole = torch.cat(stream(NUMBERS))
    assert torch.equal(torch.cat(stream(Doubled(NUMBERS))), whole * 2)
    collated = DataLoader(TensorDataset(NUMBERS), batch_size=4, collate_fn=lambda items: torch.stack([x for (x,) in items]) + 1)
    assert torch.equal(torch.cat(stream(collated)), whole + 1)


def test_a_batch_sampler_of_the_users_own_keeps_its_order():
    loader = DataLoader(Mapped(), batch_sampler=[[9, 9, 9, 9], [0, 1, 2, 3]])

    assert [batch[0].item() for batch in stream(loader, count=3)] == [9.0, 0.0, 9.0]
    drawn = DataLoader(Mapped(), batch_size=4, sampler=RandomSampler(Mapped(), replacement=True))
    assert not source_of(drawn).ordered_by_us


def test_the_short_rest_of_a_foreign_order_is_left_out():
    loader = DataLoader(Endless(), batch_size=4)

    assert [len(batch) for batch in stream(loader, count=4)] == [4, 4, 4, 4]


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="expected labels from 0 to 65535, got -1 to 3"):
        source_of((NUMBERS[:2], torch.tensor([-1, 3])))
    assert source_of((NUMBERS[:2], torch.tensor([0.5, 3.0]))).spec.num_classes == 0


@pytest.mark.parametrize("samples", [torch.tensor(1.0), torch.zeros(3), torch.zeros(2, 2, dtype=torch.complex64)])
def test_tensors_that_are_no_samples_are_refused(samples: torch.Tensor):
    with pytest.raises(ValueError, match=r"expected dense, real samples \[M, …\], got "):
        source_of(samples)


def test_an_empty_data_set_is_refused():
    with pytest.raises(TooFewSamplesError, match="the data set is empty"):
        source_of(torch.zeros(0, 2))


def test_data_with_a_gradient_gets_none_of_ours():
    assert not stream(NUMBERS.clone().requires_grad_(), count=1)[0].requires_grad


def test_reading_draws_no_random_number_of_the_runs_and_workers_have_a_seed_for_each_position():
    before = torch.get_rng_state()
    stream(Mapped())
    assert torch.equal(torch.get_rng_state(), before)

    def seed_of(seed: int, position: int) -> int:
        batches = Batches(source_of(Mapped()), batch_size=4, seed=seed, device=CPU)
        batches.position = position
        return batches._workers_seed().initial_seed()

    assert len({seed_of(0, 0), seed_of(1, 0), seed_of(0, 8)}) == 3
