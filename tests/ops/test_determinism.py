"""Equal bits: wherever an element stands, however it lies, whoever computes it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganreg.errors import UsageError
from ganreg.ops import library
from ganreg.ops.pointwise_loss import DTYPES, pointwise_loss, pointwise_loss_pair
from tests.ops.losses import assert_same_bits, every_layout

# --- places and layouts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_element_has_the_same_bits_wherever_it_stands(single, dtype):
    x = (5 * torch.randn(9000, dtype=torch.float64)).to(dtype)
    order = torch.randperm(9000)

    grad = single(x, 0.1, False, 9000.0, None)[1]

    assert_same_bits(single(x[order], 0.1, False, 9000.0, None)[1], grad[order])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", every_layout())
def test_a_strided_tensor_has_the_bits_of_its_contiguous_copy(pair, dtype, layout):
    logits = every_layout()[layout].to(dtype)
    other = torch.randn(7).to(dtype)
    copy = logits.clone(memory_format=torch.contiguous_format).resolve_neg()

    for first, wanted in ((logits, copy), (other, other)):
        second, wanted_second = (other, other) if first is logits else (logits, copy)
        outputs = pair(first, second, 1.0, 0.0, 1.0, None)
        for got, expected in zip(outputs, pair(wanted, wanted_second, 1.0, 0.0, 1.0, None), strict=True):
            assert_same_bits(got, expected)
            assert got.is_contiguous()


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 129), offset=st.integers(0, 9), step=st.integers(1, 3), dtype=st.sampled_from(DTYPES))
def test_every_tail_offset_and_step_gives_the_bits_of_a_single_element(size, offset, step, dtype):
    base = torch.linspace(-30, 30, 600, dtype=torch.float64).to(dtype)
    logits = base[offset : offset + size * step : step]

    grad = pointwise_loss(logits, target=0.9, scale=float(size)).grads[0]

    last = pointwise_loss(logits[-1], target=0.9).grads[0]
    assert_same_bits(grad[-1], last)


# --- threads, runs, variants ------------------------------------------------------------------------------------------


def everything(real, fake):
    result = pointwise_loss_pair(real, fake)
    return b"".join(tensor.numpy().tobytes() for tensor in (result.value, *result.grads, result.statistics))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    torch.manual_seed(0)
    inputs = [(torch.randn(size, dtype=dtype), torch.randn(size // 3, dtype=dtype)) for size in range(5000, 64_900, 300)]
    before = torch.get_num_threads()
    seen = set()
    try:
        for threads in (1, 2, 3, 4, 8, 16):
            torch.set_num_threads(threads)
            seen.add(b"".join(everything(*pair) for pair in inputs))
    finally:
        torch.set_num_threads(before)

    assert len(seen) == 1


def test_a_thousand_runs_give_the_same_bits():
    real, fake = torch.randn(9000), torch.randn(5000)

    assert len({everything(real, fake) for _ in range(1000)}) == 1


def test_the_vector_variants_agree_on_every_element():
    x = torch.linspace(-120, 120, 9001)
    grads = []
    before = library.kernel_status().variant
    try:
        for name in ("avx2", "avx512"):
            library.use_variant(name)
            grads.append([pointwise_loss(x.to(dtype), target=0.9, reduction="none") for dtype in DTYPES])
    except UsageError as error:
        pytest.skip(error.what)
    finally:
        library.use_variant(before)

    for left, right in zip(*grads, strict=True):
        assert_same_bits(left.grads[0], right.grads[0])
        assert_same_bits(left.value, right.value)


def test_eight_python_threads_at_once_get_the_same_bits():
    real, fake = torch.randn(50_000), torch.randn(20_000)

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: everything(real, fake), range(64)))

    assert len(seen) == 1


def test_flushing_subnormals_changes_nothing_above_them():
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(torch.float16)
    x = x[x.isfinite()][:4096]
    usual = pointwise_loss(x, target=0.0, scale=4096.0)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        flushed = pointwise_loss(x, target=0.0, scale=4096.0)
    finally:
        torch.set_flush_denormal(False)

    assert_same_bits(flushed.value, usual.value)
    assert_same_bits(flushed.grads[0], usual.grads[0])
