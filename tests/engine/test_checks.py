from __future__ import annotations

import pytest
import torch
from torch import nn

import ganreg
from ganreg.contracts import GAN, DataSpec, DiscriminatorOutput, PenaltyContext
from ganreg.engine.checks import check_classes, check_fit, check_joining, check_loss, check_optimizers, check_regularizers
from ganreg.engine.networks import Player
from ganreg.errors import ContractError, MismatchError
from tests.engine.small import Discriminator, Generator, bits, game

POINTS = DataSpec((2,))


def test_a_pair_that_fits_is_left_as_it_was():
    gan = game(norm=True)
    before, drawn = (bits(gan.generator), bits(gan.discriminator)), torch.get_rng_state()

    check_fit(gan, POINTS)

    assert (bits(gan.generator), bits(gan.discriminator)) == before
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_generator_that_does_not_fit_the_data_is_refused_with_both_shapes():
    with pytest.raises(MismatchError, match=r"makes samples \[2\], the data has samples \[3\]") as told:
        check_fit(game(), DataSpec((3,)))

    assert (told.value.code, told.value.exit_code) == ("GR106", 2)


def test_a_discriminator_that_cannot_take_the_samples_is_refused():
    with pytest.raises(MismatchError, match=r"the discriminator cannot take samples \[2\]: mat1 and mat2"):
        check_fit(GAN(Generator(), nn.Linear(5, 1)), POINTS)


def test_logits_without_a_batch_are_refused():
    class Mean(Discriminator):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).mean()

    with pytest.raises(MismatchError, match=r"must give logits \[N, …\] for N samples, for 2 it gave \[\]"):
        check_fit(GAN(Generator(), Mean()), POINTS)


def test_a_generator_without_latent_dim_is_told_how_to_get_one():
    with pytest.raises(ContractError, match=r"has no latent_dim") as told:
        check_fit(GAN(nn.Linear(3, 2), Discriminator()), POINTS)

    assert "set generator.latent_dim" in told.value.fix


def test_labels_are_passed_only_where_forward_takes_them_and_the_data_has_classes():
    heard = []

    class Conditional(Discriminator):
        def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            heard.append(labels)
            return super().forward(x)

    samples, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    Player(Conditional(), role="discriminator", num_classes=2)(samples, labels)
    Player(Conditional(), role="discriminator", num_classes=0)(samples, None)
    Player(Discriminator(), role="discriminator", num_classes=2)(samples, labels)

    assert heard[0] is labels
    assert heard[1] is None


def test_networks_that_cannot_be_looked_at_are_refused_with_a_reason():
    class Pair(Generator):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return super().forward(z), z

    class Odd(Generator):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            raise KeyError("w")

    with pytest.raises(MismatchError, match="must make a tensor, it made a tuple"):
        check_fit(GAN(Pair(), Discriminator()), POINTS)
    with pytest.raises(MismatchError, match="cannot take latents"):
        check_fit(GAN(Odd(), Discriminator()), POINTS)
    with pytest.raises(ContractError, match="the discriminator has lazy layers without weights"):
        check_fit(GAN(Generator(), nn.LazyLinear(1)), POINTS)
    looks_up = nn.ModuleDict({"labels": nn.Embedding(3, 2, sparse=True)})
    with pytest.raises(ContractError, match=r"the discriminator's labels makes sparse gradients"):
        check_fit(GAN(Generator(), looks_up), POINTS)
    frozen = Discriminator()
    frozen.table = nn.Embedding(3, 2, sparse=True).requires_grad_(False)  # type: ignore[assignment]
    check_fit(GAN(Generator(), frozen), POINTS)
    stuck = Generator()
    stuck.last = stuck.layers[0].weight * 2  # a tensor with a graph cannot be copied
    with pytest.raises(ContractError, match="the generator cannot be copied"):
        check_fit(GAN(stuck, Discriminator()), POINTS)


LOSSES = {
    "nothing": (None, "its discriminator value cannot be had"),
    "a module": (nn.BCEWithLogitsLoss(), "its discriminator value cannot be had"),
    "one number a sample": (type("L", (), {"discriminator": lambda s, r, f: r + f}), "must be one number|cannot be had"),
    "a float": (type("L", (), {"discriminator": lambda s, r, f: 1.0}), "cannot be had"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_what_is_no_loss_is_refused(case: str):
    loss, what = LOSSES[case]

    with pytest.raises(ContractError, match=what):
        check_loss(loss() if isinstance(loss, type) else loss)


@pytest.mark.parametrize(
    ("network", "interval", "what"),
    [
        ("disc", 1, "its network must be 'discriminator', 'generator' or 'both', got 'disc'"),
        ("generator", 0, "its interval must be a whole number from 1 on, got 0"),
        ("generator", 1.5, "its interval must be a whole number from 1 on, got 1.5"),
        ("generator", 1, "has no penalty"),
    ],
)
def test_a_penalty_that_would_never_be_applied_is_refused(network: str, interval: float, what: str):
    one = type("Odd", (), {"network": network, "interval": interval})()

    with pytest.raises(ContractError, match=what):
        check_regularizers([one], Generator())


def test_an_optimizer_that_cannot_serve_two_players_is_refused():
    gan = game()
    networks = {"generator": gan.generator}

    with pytest.raises(ContractError, match="wants a closure"):
        check_optimizers({"generator": torch.optim.LBFGS(gan.generator.parameters())}, networks)
    with pytest.raises(ContractError, match="holds weights that are not the generator's"):
        check_optimizers({"generator": torch.optim.SGD(gan.discriminator.parameters(), lr=1)}, networks)
    with pytest.raises(ContractError, match="it lacks step"):
        check_optimizers({"generator": None}, networks)


@pytest.mark.parametrize(
    ("wants", "what"),
    [
        ({"requires": ("style",)}, "requires 'style', and the generator has no mapping"),
        ({"own_step": True, "shares_forward": True}, "shares the main phase's forward cannot take a step of its own"),
        ({"network": "both"}, "one for both networks must share their forward"),
    ],
)
def test_a_penalty_that_asks_for_what_is_not_there_is_refused(wants: dict[str, object], what: str):
    one = type("Wants", (), {"network": "generator", "interval": 1, "penalty": lambda self, context: None, **wants})()

    with pytest.raises(ContractError, match=what):
        check_regularizers([one], Generator())


class Reads:
    """A penalty on what D answers besides its logits."""

    network, interval, shares_forward = "both", 1, True

    def penalty(self, context: PenaltyContext) -> torch.Tensor:
        asked.append(context.phase)
        if context.fake_output.class_logits is None:
            raise ContractError("D gives no class logits", at="regularizer", fix="let it")
        return context.fake_output.class_logits.sum()


asked: list[str] = []


class Classifies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.layer(x), class_logits=x)


def test_a_penalty_that_reads_outputs_is_asked_once_for_each_phase_before_step_0():
    gan, classifies = game(), Classifies()
    before = torch.get_rng_state()
    check_joining([Reads()], GAN(gan.generator, classifies), DataSpec((2,)))

    assert asked == ["discriminator", "generator"]
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ContractError, match="D gives no class logits"):
        check_joining([Reads()], gan, DataSpec((2,)))


def test_a_penalty_that_fails_on_what_is_not_there_is_refused_with_its_reason():
    class Careless(Reads):
        def penalty(self, context: PenaltyContext) -> torch.Tensor:
            return context.fake_output.features.sum()

    with pytest.raises(ContractError, match="Careless cannot be used: its penalty cannot be had: 'NoneType' object has no"):
        check_joining([Careless()], game(), DataSpec((2,)))


# --- who is told the classes ------------------------------------------------------------------------------------------

IMAGES = DataSpec((1, 16, 16), num_classes=3, value_range=(-1.0, 1.0))


def conditioned(of_generator: str, of_discriminator: str) -> GAN:
    settings = {"spec": IMAGES, "width": 8}
    return GAN(
        ganreg.create("generator", "resnet", conditioning=of_generator, **settings),
        ganreg.create("discriminator", "resnet", conditioning=of_discriminator, **settings),
    )


@pytest.mark.parametrize("pair", [("none", "none"), ("conditional-bn", "projection"), ("concat", "acgan")])
def test_a_pair_of_which_both_or_neither_is_told_the_classes_is_no_cause_for_a_word(pair: tuple[str, str]):
    gan = conditioned(*pair)
    before, drawn = (bits(gan.generator), bits(gan.discriminator)), torch.get_rng_state()

    check_classes(gan, IMAGES, [Reads()])  # a warning would be an error here

    assert (bits(gan.generator), bits(gan.discriminator)) == before
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("conditioning", ["projection", "concat", "acgan"])
def test_a_discriminator_alone_that_is_told_the_classes_is_warned_of(conditioning: str):
    with pytest.warns(UserWarning, match="the discriminator is told the classes, the generator is not: a fake is judged by"):
        check_classes(conditioned("none", conditioning), IMAGES, [Reads()])


@pytest.mark.parametrize("conditioning", ["conditional-bn", "concat"])
def test_a_generator_alone_that_is_told_the_classes_is_warned_of(conditioning: str):
    with pytest.warns(UserWarning, match="the generator is told the classes, the discriminator is not: nothing asks for"):
        check_classes(conditioned(conditioning, "none"), IMAGES)


def test_class_logits_that_no_penalty_reads_ask_for_no_class():
    of_d = type("OfD", (Reads,), {"network": "discriminator"})()

    with pytest.warns(UserWarning, match="nothing asks for the right class.* class logits want a penalty that reads them"):
        check_classes(conditioned("concat", "acgan"), IMAGES, [of_d])


def test_without_classes_in_the_data_nobody_is_asked():
    check_classes(GAN(nn.Identity(), nn.Identity()), DataSpec((2,)))


def test_weights_that_are_none_or_whole_numbers_are_no_reason_to_fail():
    gan = conditioned("none", "none")
    gan.generator.register_parameter("nothing", nn.Parameter(torch.empty(0)))
    gan.generator.register_parameter("count", nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False))

    check_classes(gan, IMAGES)


class ByClass(nn.Module):
    """Points, normalised; the class says their gain, at first 1, and their shift, at first 0."""

    latent_dim = 4

    def __init__(self, depth: int = 1) -> None:
        super().__init__()
        self.by_class = nn.Embedding(3, 8)
        self.by_class.weight.data[:, :4] = 1.0
        self.by_class.weight.data[:, 4:] = 0.0
        blocks = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)) for _ in range(depth)]
        self.layers = nn.Sequential(*blocks, nn.Linear(4, 2))

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gain, shift = self.by_class(labels).chunk(2, 1)
        return self.layers(gain * z + shift)


class JudgesByClass(ByClass):
    def __init__(self) -> None:
        super().__init__()
        nn.init.normal_(self.by_class.weight)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.cat([x, x], 1), labels)


@pytest.mark.parametrize("depth", [1, 20])
def test_gains_and_shifts_that_begin_alike_for_each_class_and_many_norms_hide_no_class(depth: int):
    torch.manual_seed(0)

    check_classes(GAN(ByClass(depth), JudgesByClass()), DataSpec((2,), num_classes=3))


class OnlyInTraining(Discriminator):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert self.training
        return super().forward(x)


class OwnNoise(Generator):
    rng = torch.Generator()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return super().forward(z + torch.randn(z.shape, generator=self.rng))


@pytest.mark.parametrize("pair", [(ByClass, OnlyInTraining), (OwnNoise, Discriminator)])
def test_a_network_that_cannot_be_asked_for_the_class_is_no_cause_for_a_word(pair: tuple[type[nn.Module], type[nn.Module]]):
    generator, discriminator = pair

    check_classes(GAN(generator(), discriminator()), DataSpec((2,), num_classes=3))


def test_a_network_of_fewer_classes_than_the_data_has_is_refused():
    with pytest.raises(MismatchError, match="the generator cannot take latents"):
        check_fit(GAN(ByClass(), JudgesByClass()), DataSpec((2,), num_classes=4))


class NoisyByClass(ByClass):
    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return super().forward(z + torch.randn_like(z), labels)


def test_noise_of_the_shared_stream_hides_no_class():
    with pytest.warns(UserWarning, match="the generator is told the classes, the discriminator is not"):
        check_classes(GAN(NoisyByClass(), Discriminator()), DataSpec((2,), num_classes=3))
