"""Bad parts: each fails the check that is about its fault, and is told what to do."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import torch
from torch import Tensor, nn

from ganreg import registry
from ganreg.components.losses.bce import BCE
from ganreg.contracts import GIVEN, Component, DataSpec, Kind
from ganreg.errors import PluginError, UnknownNameError
from ganreg.plugins import Plugin
from ganreg.registry import Part
from ganreg.settings import model_of
from ganreg.testing import BY_KIND, Check, checks_of, checks_of_plugin, common
from ganreg.testing.subject import Subject


def subject(kind: Kind, factory: Callable[..., Any], summary: str = "Words.") -> Subject:
    record = Component(kind, "bad", "ganreg_bad.parts:Bad", summary)
    plugin = Plugin("bad", "ganreg-bad", "1.0", "ganreg_bad.plugin")
    return Subject(Part(record, plugin, factory, model_of(factory, len(GIVEN.get(kind, ())))))


class Layers(nn.Module):
    """A pair of layers."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.shape
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(self.inputs(spec), 8), nn.Tanh(), nn.Linear(8, self.outputs(spec)))

    def inputs(self, spec: DataSpec) -> int:
        return spec.size

    def outputs(self, spec: DataSpec) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Made(Layers):
    """A generator."""

    latent_dim = 4

    def inputs(self, spec: DataSpec) -> int:
        return 4

    def outputs(self, spec: DataSpec) -> int:
        return spec.size

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).tanh().view(-1, *self.shape)


class WrongShape(Made):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., :1]


class Unbounded(Made):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 100


class Idle(Made):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.idle = nn.Linear(2, 2)


class Counting(Made):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x) / self.calls


class Forgetful(Made):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.hidden = torch.rand(())

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.hidden


class Branching(Made):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1.0 if x.sum().item() > 0 else 0.5)


class Bessel(Made):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.special.bessel_j0(x))


class Judge(Layers):
    """A discriminator."""


class Probability(Judge):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sigmoid()


class OneForAll(Judge):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean()


class Remembers(Judge):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x) * self.layers[1].weight.sum() * self.scale
        self.scale += 1
        return out * self.scale


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 2


class NotTwice(Judge):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2:](Once.apply(self.layers[:2](x)))


class PerSample(BCE):
    """No mean."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits - real_logits


class LogOfSigmoid:
    """The formula as it is printed."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -real_logits.sigmoid().log().mean() - (1 - fake_logits.sigmoid()).log().mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.sigmoid().log().mean()


class Upside(BCE):
    """Signs confused."""

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: Any = 1.0) -> Any:
        result = super().discriminator_value_and_grad(real_logits, fake_logits, scale)
        return result._replace(grads=result.grads[::-1])


class Unscaled(BCE):
    """Forgets the scale."""

    def generator_value_and_grad(self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: Any = 1.0) -> Any:
        return super().generator_value_and_grad(fake_logits, real_logits, 1.0)


class Vague(BCE):
    """One number for an equilibrium of two."""

    equilibrium = (math.log(2.0),)  # type: ignore[assignment]


class Climber(torch.optim.SGD):
    """Goes up."""

    def __init__(self, params: Any, *, lr: float = 0.01) -> None:
        super().__init__(params, lr=lr, maximize=True)


class Hidden(torch.optim.SGD):
    """Counts outside of its state."""

    def __init__(self, params: Any, *, lr: float = 0.1) -> None:
        super().__init__(params, lr=lr)
        self.done = 0

    def step(self, closure: Any = None) -> None:
        self.done += 1
        self.param_groups[0]["lr"] = 0.1 / self.done
        super().step()


class Queueing(torch.optim.SGD):
    """Keeps what JSON has no word for."""

    def __init__(self, params: Any, *, lr: float = 0.1) -> None:
        super().__init__(params, lr=lr)

    def step(self, closure: Any = None) -> None:
        super().step()
        for group in self.param_groups:
            group["past"] = deque([1])


class Elsewhere:
    """A penalty on nothing."""

    network, interval = "discriminator", 1

    def penalty(self, context: Any) -> Tensor:
        return context.real.sum().requires_grad_()


class Seldom(Elsewhere):
    """Never."""

    interval = 0


class Points(torch.utils.data.Dataset):
    """Two points."""

    spec = DataSpec((2,), num_classes=2)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((2,), float(index)), index

    def fingerprint(self) -> str:
        return "two"


class Three(Points):
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(3), index


class ManyClasses(Points):
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(2), 7


class NewEachTime(Points):
    def fingerprint(self) -> str:
        return str(id(self))


class Whim(Points):
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        import random

        return torch.full((2,), random.random()), index


class Crop:
    """Makes them smaller."""

    def __init__(self, spec: DataSpec) -> None: ...
    def __call__(self, images: Tensor) -> Tensor:
        return images[..., 1:]


class Severed(Crop):
    """No gradient."""

    def __call__(self, images: Tensor) -> Tensor:
        return images.detach()


class Picky:
    """A tracker that knows one kind of value."""

    def __init__(self, run_dir: Path) -> None: ...
    def start(self, config: Mapping[str, Any]) -> None: ...
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        assert all(value > 0 for value in values.values()), "a value is not greater than 0"

    def images(self, step: int, name: str, images: Any) -> None: ...
    def finish(self, status: str) -> None: ...


class Early(Picky):
    """Writes before it is started."""

    def __init__(self, run_dir: Path) -> None:
        (run_dir / "log").touch()


class Beginner(Picky):
    """Does not go on where it was."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def scalars(self, step: int, values: Mapping[str, float]) -> None: ...
    def start(self, config: Mapping[str, Any]) -> None:
        try:
            (self.run_dir / "log").touch(exist_ok=False)
        except FileExistsError:
            raise AssertionError("there is a log already") from None


class Nowhere(Picky):
    """Says where, but not in words."""

    where = 7


class Undecided:
    """A metric."""

    higher_is_better = "maybe"

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        return real.mean()


class Moody(Undecided):
    """Another number each time."""

    higher_is_better = True

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        return float(torch.rand(()))


class TwoMinded(Undecided):
    """Moments that tell another story."""

    higher_is_better = True

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        return 1.0

    def of_moments(self, real: Any, fake: Any) -> float:
        return 2.0


class Flat:
    """An extractor that draws its weights from the global state."""

    def __init__(self, spec: DataSpec) -> None:
        self.weights = torch.randn(spec.size, 3)

    def __call__(self, samples: Tensor) -> Tensor:
        return samples.flatten(1) @ self.weights

    def fingerprint(self) -> str:
        return "flat"


class Sociable(Flat):
    """The mean of the batch is taken off."""

    def __init__(self, spec: DataSpec) -> None: ...
    def __call__(self, samples: Tensor) -> Tensor:
        return samples.flatten(1) - samples.flatten(1).mean(0)


class Blind(Sociable):
    """Nothing of what it is shown."""

    def __call__(self, samples: Tensor) -> Tensor:
        return torch.zeros(len(samples), 3)


class Summed(Sociable):
    """Class logits of the whole batch."""

    def class_logits(self, features: Tensor) -> Tensor:
        return features.sum(0)


class Maps(Flat):
    """No features, but maps."""

    def __call__(self, samples: Tensor) -> Tensor:
        return samples


BAD: Sequence[tuple[Kind, Callable[..., Any], str, str]] = [
    ("generator", WrongShape, "makes_samples_that_fit", r"must make samples \[4, 3, 32, 32\], made \[4, 3, 32, 1\]"),
    ("generator", Unbounded, "makes_samples_that_fit", r"samples must lie in \[-1, 1\]: end in a tanh"),
    ("generator", Idle, "reaches_every_weight", "no gradient reached idle.bias, idle.weight in 3 steps"),
    ("generator", Counting, "repeats_itself", "asked twice in eval mode .* keep no hidden state"),
    ("generator", Forgetful, "restores_its_state", "keep all in parameters or buffers"),
    ("generator", Branching, "compiles", "torch.compile fails"),
    ("generator", Branching, "exports", "torch.export fails"),
    ("generator", Bessel, "exports_to_onnx", "the ONNX cannot be made"),
    ("discriminator", Probability, "gives_logits", "return logits, without the sigmoid"),
    ("discriminator", OneForAll, "gives_logits", r"logits of 4 samples must be \[4, …\], are \[\]"),
    ("discriminator", Remembers, "may_be_asked_twice_before_backward", "write into nothing in place"),
    ("discriminator", NotTwice, "differentiates_twice", "cannot be differentiated twice"),
    ("loss", PerSample, "gives_one_number", "return its mean or sum"),
    ("loss", LogOfSigmoid, "has_finite_gradients", "must be finite|use softplus, not log of sigmoid"),
    ("loss", Upside, "pulls_the_right_way", "does not part reals from fakes"),
    ("loss", Unscaled, "has_the_gradient_of_its_value", "Tensor-likes are not close"),
    ("loss", Vague, "tells_its_equilibrium", r"two numbers, \(L_D, L_G\)"),
    ("optimizer", Climber, "descends", "do not lower the sum of squares"),
    ("optimizer", Hidden, "goes_on_from_its_state", "keep nothing outside of state and param_groups"),
    ("optimizer", Queueing, "goes_on_from_its_state", r"is a deque, which a checkpoint cannot hold: keep tensors"),
    ("regularizer", Elsewhere, "penalises_its_network", "no gradient of the penalty reaches the discriminator"),
    ("regularizer", Seldom, "can_be_applied", "its interval must be a whole number from 1 on, got 0"),
    ("dataset", Three, "holds_what_it_promises", r"sample 0 is \[3\], spec says \[2\]"),
    ("dataset", ManyClasses, "holds_what_it_promises", "label 7 of sample .* is none of 2 classes"),
    ("dataset", NewEachTime, "has_a_lasting_fingerprint", "it has two fingerprints"),
    ("dataset", Whim, "gives_the_same_sample_again", "draw from torch's generator alone"),
    ("augmentation", Crop, "keeps_shape_and_gradient", r"it makes \[4, 3, 32, 31\] of \[4, 3, 32, 32\]"),
    ("tracker", Picky, "takes_a_whole_run", "a value is not greater than 0"),
    ("tracker", Early, "writes_nothing_before_it_starts", "building it wrote log into the run directory"),
    ("tracker", Beginner, "goes_on_in_the_same_run", "there is a log already"),
    ("tracker", Nowhere, "says_where_it_is_looked_at", "where must be text, is 7"),
    ("metric", Undecided, "says_which_way_is_better", "must be True or False, is 'maybe'"),
    ("metric", Undecided, "gives_numbers", r"must be a float, is a Tensor: use float\(…\)"),
    ("metric", Moody, "measures_the_same_again", "the same features give another number"),
    ("metric", TwoMinded, "agrees_with_its_moments", "of_moments gives {'': 2.0}, the features give {'': 1.0}"),
    ("extractor", Flat, "gives_the_same_again", "draw weights from a seed of your own"),
    ("extractor", Sociable, "looks_at_each_sample_alone", "depend on the others in its batch"),
    ("extractor", Blind, "tells_samples_apart", "two unlike samples have the same features"),
    ("extractor", Summed, "gives_class_logits", r"class logits of 3 samples must be \[3, K\]"),
    ("extractor", Maps, "gives_features", r"must be \[5, F\], are \[5, 3, 32, 32\]"),
    ("augmentation", Severed, "keeps_shape_and_gradient", "no gradient passes through it"),
]


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated", "ignore::DeprecationWarning:onnx")
@pytest.mark.parametrize(("kind", "factory", "fails", "told"), BAD, ids=[f"{one[1].__name__}-{one[2]}" for one in BAD])
def test_a_bad_part_fails_the_check_of_its_fault(kind: Kind, factory: Callable[..., Any], fails: str, told: str):
    if fails == "exports_to_onnx":
        pytest.importorskip("onnxscript", reason="pip install 'ganreg[export]'")
    run = next(one for one in BY_KIND[kind] if one.__name__ == fails)

    with pytest.raises(Exception, match=told) as caught:
        Check(fails, lambda: run(subject(kind, factory)))()

    assert isinstance(caught.value, AssertionError) or fails == "can_be_applied"


def test_every_check_has_a_part_that_fails_it():
    tried = {(kind, fails) for kind, _, fails, _ in BAD}
    shared = {(kind, one.__name__) for kind, checks in BY_KIND.items() for one in checks}
    untried = {name for _, name in shared} - {name for _, name in tried}

    assert untried == {"computes_in_bfloat16"}  # what overflows there overflows in float32, too, or is a matter of taste


def test_a_generator_that_says_so_need_not_be_a_graph():
    class Free(Branching):
        """Python."""

        exportable = False

    for fails in ("exports", "exports_to_onnx"):
        run = next(one for one in BY_KIND["generator"] if one.__name__ == fails)
        with pytest.raises(SkipTest, match=r"exportable = False|not installed"):
            run(subject("generator", Free))


def test_a_part_without_words_or_defaults_is_told_so():
    class Bare:
        pass

    def dull(*, size: int) -> BCE:
        """A loss."""
        return BCE()

    with pytest.raises(AssertionError, match="loss 'bad' has no summary"):
        common.is_documented(subject("loss", BCE, summary=" "))
    Bare.__doc__ = None
    with pytest.raises(AssertionError, match="has no docstring: say what it is"):
        common.is_documented(subject("loss", Bare))
    with pytest.raises(Exception, match="size is missing"):
        common.builds_from_its_settings(subject("loss", dull))


PLUGIN = """
import ganreg
{first}
from ganreg.contracts import Component


@ganreg.hookimpl
def ganreg_components():
    yield Component("loss", "mine", "ganreg.components.losses.hinge:Hinge", "Margin loss.")
"""


def ran(checks: Sequence[Check]) -> Mapping[str, str]:
    told = {}
    for check in checks:
        try:
            check()
        except AssertionError as error:
            told[check.name] = str(error)
    return told


def test_all_that_a_plugin_offers_is_checked(plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    site = plugin("x", PLUGIN.format(first=""))
    monkeypatch.setenv("PYTHONPATH", str(site))
    checks = list(checks_of_plugin("ganreg-x"))

    assert [one.name for one in checks[:2]] == ["x-imports_without_torch", "loss-mine-is_documented"]
    assert len(checks) == 1 + len(common.CHECKS) + len(BY_KIND["loss"])
    assert ran(checks) == {}


def test_a_plugin_that_imports_torch_is_told(plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(plugin("x", PLUGIN.format(first="import torch"))))

    assert "imports torch: name factories" in ran(list(checks_of_plugin("x"))[:1])["x-imports_without_torch"]


NEEDY = """
import ganreg
from ganreg.contracts import Component


@ganreg.hookimpl
def ganreg_components():
    yield Component("dataset", "mine", "ganreg.components.datasets.image_folder:ImageFolder", "Pictures.")
"""


def test_what_has_settings_without_a_default_is_not_run_and_says_so(plugin: Callable[..., Path]):
    plugin("x", NEEDY)
    (check,) = list(checks_of_plugin("x"))[1:]

    with pytest.raises(SkipTest, match=r"path must be given to check it: \{'dataset-mine': \{'path': …"):
        check()
    assert len(list(checks_of_plugin("x", {"dataset-mine": {"path": "p", "resolution": 8}}))) > 2


def test_settings_for_what_is_not_offered_are_refused(plugin: Callable[..., Path]):
    plugin("x", NEEDY)

    with pytest.raises(UnknownNameError, match=r"'dataset-mein', which 'x' does not offer. Did you mean 'dataset-mine'"):
        list(checks_of_plugin("x", {"dataset-mein": {"path": "p"}}))


@pytest.mark.filterwarnings("ignore:plugin ganreg-x")
def test_a_plugin_that_is_not_there_or_broken_has_no_checks(plugin: Callable[..., Path]):
    with pytest.raises(UnknownNameError, match=r"no plugin is named 'ganreg-y'.*Known: ganreg"):
        list(checks_of_plugin("ganreg-y"))
    plugin("x", "import no_such_module")
    with pytest.raises(PluginError, match=r"plugin ganreg-x 1\.0 \(x\) failed to load"):
        list(checks_of_plugin("ganreg-x"))


def test_a_check_leaves_random_numbers_alone():
    before = torch.get_rng_state()
    for check in checks_of("generator", "mlp"):
        if not check.name.endswith(("compiles", "exports", "exports_to_onnx")):
            check()

    assert torch.equal(torch.get_rng_state(), before)
    assert registry.current().has("generator", "mlp")
