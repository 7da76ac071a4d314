"""In place: the gradient takes the logits' memory, and nothing else that is read lies there.  No call keeps any."""

import ctypes
import gc

import pytest
import torch

from ganreg.ops import library
from ganreg.ops.pointwise_loss import paired_loss, pointwise_loss, pointwise_loss_pair
from tests.ops.losses import assert_same_bits, every_layout


@pytest.mark.parametrize("layout", ["offset", "transposed", "every second", "channels last", "zero-dimensional", "empty"])
def test_the_in_place_form_leaves_the_gradient_where_the_logits_were(kernel, layout, monkeypatch):
    if kernel == "reference":
        monkeypatch.setattr(library, "_native_kernel_serves", lambda *_: False)
    logits = torch.empty(0, 3) if layout == "empty" else every_layout()[layout].clone(memory_format=torch.preserve_format)
    other = torch.randn(9)
    wanted = pointwise_loss_pair(logits.clone(), other.clone(), scale=2.0)
    version, at = logits._version, logits.data_ptr()

    result = pointwise_loss_pair(logits, other, scale=2.0, in_place=True)

    assert result.grads[0] is logits
    assert result.grads[1] is other
    assert logits.data_ptr() == at
    for got, right in zip((result.value, *result.grads, result.statistics), (wanted[0], *wanted[1], wanted[2]), strict=True):
        assert_same_bits(got, right)
    assert logits._version > version


def test_each_operator_has_its_in_place_form(kernel):
    logits, other = torch.randn(5000), torch.randn(5000)
    single, pairs = pointwise_loss(logits, target=1.0), paired_loss(logits, other)

    in_place_single = pointwise_loss(logits.clone(), target=1.0, in_place=True)
    in_place_pairs = paired_loss(logits.clone(), other.clone(), in_place=True)

    assert_same_bits(in_place_single.grads[0], single.grads[0])
    assert_same_bits(in_place_single.value, single.value)
    for got, wanted in zip(in_place_pairs.grads, pairs.grads, strict=True):
        assert_same_bits(got, wanted)


def test_a_graph_that_needs_the_logits_notices_that_they_are_gone():
    x = torch.randn(4, requires_grad=True)
    logits = x.exp()  # saves its result
    with torch.no_grad():
        pointwise_loss(logits.detach(), target=1.0, in_place=True)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        logits.sum().backward()


def test_logits_that_require_a_gradient_are_not_overwritten():
    logits = torch.randn(3, requires_grad=True)

    with pytest.raises(RuntimeError, match="pointwise_loss_ overwrites logits that require a gradient"):
        pointwise_loss(logits, target=1.0, in_place=True)
    with pytest.raises(RuntimeError, match="pointwise_loss_pair_ overwrites logits that require a gradient"):
        torch.ops.ganreg.pointwise_loss_pair_(torch.randn(3), logits, "bce", 1.0, 0.0, 1.0)


@pytest.mark.parametrize("bad", [torch.zeros(1).expand(4), torch.zeros(9).as_strided((3, 3), (1, 2))])
def test_logits_that_share_memory_are_not_overwritten(bad):
    with pytest.raises(ValueError, match="expected logits that do not share memory for the in-place form"):
        pointwise_loss(bad, target=1.0, in_place=True)


def test_a_target_weight_or_scale_inside_the_logits_is_refused_in_place():
    both = torch.randn(9)

    for bad in ({"target": both[1:]}, {"target": 1.0, "weight": both[1:]}, {"target": 1.0, "scale": both[3]}):
        with pytest.raises(ValueError, match="expected targets, weights and scale that do not overlap the logits"):
            pointwise_loss(both[:-1], in_place=True, **bad)


def test_sides_that_share_memory_are_not_overwritten_but_neighbours_are():
    both = torch.randn(8)
    wanted = pointwise_loss_pair(both[:4].clone(), both[4:].clone())

    with pytest.raises(ValueError, match="expected real and fake logits whose ranges of memory do not overlap"):
        pointwise_loss_pair(both[:5], both[4:], in_place=True)
    pointwise_loss_pair(both[:4], both[4:], in_place=True)

    assert_same_bits(both, torch.cat(wanted.grads))


def test_neighbouring_columns_share_a_range_of_memory_and_are_refused():
    both = torch.randn(4, 2)

    with pytest.raises(ValueError, match="real and fake logits whose ranges of memory do not overlap"):
        pointwise_loss_pair(both[:, 0], both[:, 1], in_place=True)


def test_a_lazy_negation_is_refused_in_place():
    negated = torch.randn(4, dtype=torch.complex64).conj().imag

    with pytest.raises(ValueError, match=r"without a lazy negation for the in-place form: resolve_neg\(\) them"):
        pointwise_loss(negated, target=1.0, in_place=True)


def test_tensors_without_memory_overlap_only_in_one_storage():
    one, other = torch.empty(8, device="meta"), torch.empty(8, device="meta")

    pointwise_loss_pair(one, other, in_place=True)
    pointwise_loss_pair(one[:4], one[4:], in_place=True)
    with pytest.raises(ValueError, match="do not overlap"):
        pointwise_loss_pair(one[:5], one[4:], in_place=True)


OVERLAPS = {
    "sides": lambda x: pointwise_loss_pair(x[:-1], x[1:], in_place=True),
    "one tensor twice": lambda x: pointwise_loss_pair(x, x, in_place=True),
    "pairs": lambda x: paired_loss(x[:-1], x[1:], in_place=True),
    "target": lambda x: pointwise_loss(x, target=x, in_place=True),
    "expanded": lambda x: pointwise_loss(x.expand(3, 8), target=1.0, in_place=True),
}


@pytest.mark.parametrize("case", OVERLAPS)
def test_a_compiler_refuses_what_overlaps_too(case):
    compiled = torch.compile(lambda x: OVERLAPS[case](x).value, fullgraph=True, backend="aot_eager")

    with pytest.raises(RuntimeError, match=r"ValueError.*for the in-place form"):
        compiled(torch.randn(8))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")  # torch's own, on its way to Inductor
@pytest.mark.parametrize("dynamic", [None, True, False])
def test_a_compiler_may_overwrite_two_halves(dynamic, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    inside = torch.compile(lambda x: pointwise_loss_pair(*x.chunk(2), in_place=True).value, fullgraph=True, dynamic=dynamic)
    beside = torch.compile(lambda a, b: pointwise_loss_pair(a, b, in_place=True).value, fullgraph=True, dynamic=dynamic)

    for size in (16, 32, 20):
        whole, parts = torch.randn(size), [torch.randn(size), torch.randn(size)]
        halves = torch.randn(size)
        for compiled, given, sides in (
            (inside, (whole,), whole.chunk(2)),
            (beside, halves.chunk(2), halves.chunk(2)),
            (beside, parts, parts),
        ):
            wanted = pointwise_loss_pair(*(side.clone() for side in sides))
            value = compiled(*given)
            assert_same_bits(value, wanted.value)
            for side, grad in zip(sides, wanted.grads, strict=True):
                assert_same_bits(side, grad)


def test_logits_made_in_inference_mode_are_overwritten_only_there():
    with torch.inference_mode():
        logits = torch.randn(3)
        pointwise_loss(logits, target=1.0, in_place=True)

    with pytest.raises(ValueError, match="not made in inference mode for the in-place form"):
        pointwise_loss(logits, target=1.0, in_place=True)


def test_the_native_operator_checks_memory_that_reaches_it_without_the_public_face():
    library.kernel_status()
    operators = torch.ops.ganreg
    x, y = torch.randn(9), torch.randn(9)

    with pytest.raises(RuntimeError, match="that do not share memory for the in-place form"):
        operators.pointwise_loss_(x.expand(2, 9), "bce", 1.0, True, 1.0)
    for overlapping in (
        lambda: operators.pointwise_loss_pair_(x[1:], x[:-1], "bce", 1.0, 0.0, 1.0),
        lambda: operators.pointwise_loss_pair_(x, y, "bce", 1.0, 0.0, 1.0, real_targets=y),
        lambda: operators.pointwise_loss_pair_(x, y, "bce", 1.0, 0.0, 1.0, fake_weights=x),
        lambda: operators.paired_loss_(x, x, "bce", 1.0, 1.0),
        lambda: operators.pointwise_loss_(x, "bce", 1.0, True, 1.0, targets=x),
        lambda: operators.pointwise_loss_(x, "bce", 1.0, True, 1.0, x[3]),
    ):
        with pytest.raises(RuntimeError, match="whose range of memory holds no other argument"):
            overlapping()


# --- no call keeps memory ---------------------------------------------------------------------------------------------


SLOTS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class Heap(ctypes.Structure):
    """What glibc's mallinfo2 tells."""

    _fields_ = [(name, ctypes.c_size_t) for name in SLOTS]


def in_use() -> int:
    """Bytes that were asked of malloc and not given back."""
    told = ctypes.CDLL(None).mallinfo2
    told.restype = Heap
    return int(told().uordblks)


X, Y, W = torch.randn(8), torch.randn(8), torch.rand(8)
OPERATORS = torch.ops.ganreg
CALLS = {
    "pointwise_loss": lambda: OPERATORS.pointwise_loss(
        X, "bce", 1.0, True, 1.0, torch.tensor(2.0), "mean", targets=W, weights=W
    ),
    "pointwise_loss_": lambda: OPERATORS.pointwise_loss_(X.clone(), "bce", 1.0, True, 1.0),
    "pointwise_loss_pair": lambda: OPERATORS.pointwise_loss_pair(X, Y, "bce", 1.0, 0.0, 1.0),
    "pointwise_loss_pair_": lambda: OPERATORS.pointwise_loss_pair_(X.clone(), Y.clone(), "bce", 1.0, 0.0, 1.0),
    "paired_loss": lambda: OPERATORS.paired_loss(X, Y, "bce", 1.0, 1.0),
    "paired_loss_": lambda: OPERATORS.paired_loss_(X.clone(), Y.clone(), "bce", 1.0, 1.0),
    "pointwise_derivative": lambda: OPERATORS.pointwise_derivative(X, torch.tensor(1.0), 1, "bce", 1.0),
}


def test_each_operator_is_watched():
    names = [name.partition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("ganreg::")]

    assert set(CALLS) == {name for name in names if not name.startswith("_")}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not run: no mallinfo2")
@pytest.mark.parametrize("operator", CALLS)
def test_a_call_leaves_no_memory_behind(operator):
    def calls(count):
        for _ in range(count):
            CALLS[operator]()
        gc.collect()
        return in_use()

    calls(100)
    before = calls(0)

    assert calls(1000) - before < 8 * 1000  # a name alone, kept, would be 48 bytes a call
