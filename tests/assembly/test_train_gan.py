"""`train_gan`: what goes in, what comes out, what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ganreg
from ganreg import yamltext
from ganreg.assembly.config import resolve
from ganreg.errors import (
    DeviceError,
    MismatchError,
    NonFiniteError,
    RunExistsError,
    SettingsError,
    UnknownNameError,
    WrongKindError,
)
from ganreg.registry import current
from tests.engine.small import bits, game, points, train


def test_both_players_learn_and_the_history_has_a_row_a_step():
    gan = game()
    before = bits(gan.generator), bits(gan.discriminator)

    result = train(gan, steps=5)

    assert result.gan.generator is gan.generator
    assert (bits(gan.generator), bits(gan.discriminator)) != before
    assert result.history["step"] == [1, 2, 3, 4, 5]
    assert result.history["images"][-1] == 40
    for name in ("loss_d", "loss_g", "d_real", "d_fake", "accuracy_d", "lr_g", "images_per_second"):
        assert len(result.history[name]) == 5
    assert result.run_dir is None
    assert result.status == "done"


def test_a_pair_can_be_taken_apart():
    gan = game()
    generator, discriminator = gan

    assert generator is gan.generator
    assert discriminator is gan.discriminator


def test_the_average_is_a_network_of_its_own_in_eval_mode():
    result = train(game(norm=True))

    assert result.ema is not result.gan.generator
    assert not result.ema.training
    assert result.ema(torch.randn(4, 3)).shape == (4, 2)
    assert train(ema=None).ema is None


def test_losses_near_the_equilibrium_are_reached_on_points():
    gan = ganreg.GAN("mlp", "mlp")

    result = ganreg.train_gan(gan, points(512), steps=300, batch_size=64, log_every=300, progress=False)

    assert result.history["loss_d"][-1] == pytest.approx(1.386, abs=0.35)
    made = result.ema(torch.randn(512, result.gan.generator.latent_dim))
    torch.testing.assert_close(made.mean(0), torch.tensor([2.0, 2.0]), atol=0.6, rtol=0)


OPTIMIZERS: dict[str, Any] = {
    "a name": "sgd",
    "a class": lambda params: torch.optim.Adam(params, lr=1e-3, fused=True),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_is_a_name_or_a_callable(optimizer: str):
    assert train(generator_optimizer=OPTIMIZERS[optimizer]).status == "done"


def test_an_optimizer_may_be_one_that_is_there_already():
    gan = game()
    optimizer = torch.optim.SGD(gan.generator.parameters(), lr=0.0)
    before = bits(gan.generator)

    train(gan, generator_optimizer=optimizer)

    assert bits(gan.generator) == before


def test_a_loaders_batch_size_and_workers_count():
    seen = []

    class Discriminator(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return super().forward(x)

    loader = DataLoader(TensorDataset(points()), batch_size=16)
    ganreg.train_gan(ganreg.GAN(game().generator, Discriminator(2, 1)), loader, steps=1, progress=False)

    assert set(seen) == {2, 16}  # the look before step 0, then the step


def test_labels_reach_networks_that_take_them():
    heard: list[Any] = []

    class Conditional(nn.Module):
        latent_dim = 3

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            heard.append(labels)
            return self.layer(z)

    labels = torch.tensor([0, 1, 1, 1] * 16)
    train(ganreg.GAN(Conditional(), game().discriminator), dataset=(points(), labels), steps=3)

    drawn = torch.cat(heard[-3:])
    assert set(drawn.tolist()) <= {0, 1}
    assert drawn.float().mean() > 0.5


def test_both_losses_are_shown_while_it_runs(capsys: pytest.CaptureFixture[str]):
    train(progress=True)

    out = capsys.readouterr().out
    for word in ("step 6/6", "L_D ", "L_G ", "D(x) ", "D(G(z)) ", "from equilibrium", "img/s", "left 0:00"):
        assert word in out


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "loss": ({"loss": "hinje"}, UnknownNameError, "Did you mean 'hinge'"),
    "kind": ({"loss": "dcgan"}, WrongKindError, "'dcgan' is a discriminator and a generator, not a loss"),
    "batch": ({"batch_size": 0}, SettingsError, "batch_size must be greater than or equal to 1, got 0"),
    "truth": ({"batch_size": True}, SettingsError, "batch_size must be a number and not a truth value"),
    "both": ({"epochs": 1}, ValueError, "expected epochs or steps, one of them"),
    "device": ({"device": "cuda:9"}, DeviceError, "there is no device 'cuda:9' here; there is cpu"),
    "fit": ({"dataset": torch.randn(64, 3)}, MismatchError, r"makes samples \[2\], the data has samples \[3\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_and_nothing_written(case: str, tmp_path: Path):
    options, error, what = REFUSED[case]

    with pytest.raises(error, match=what):
        train(out=tmp_path / "run", **options)

    assert list(tmp_path.iterdir()) == []


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(ValueError, match=r"(?s)3 settings are wrong.*batch_size.*latents.*seed"):
        train(batch_size="64x", seed=-1, latents="new")


@pytest.mark.parametrize("wrong", [{"dataset": 3}, {"gan": ganreg.GAN(3, "mlp")}])
def test_what_is_no_part_is_a_type_error(wrong: dict[str, Any]):
    with pytest.raises(TypeError, match="got int"):
        train(**wrong)


def test_a_pair_can_be_trained_on_after_a_run_and_after_an_interrupt():
    class Impatient(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> None:
            raise KeyboardInterrupt

    gan = game()
    train(gan)
    assert all(parameter.requires_grad for network in gan for parameter in network.parameters())
    with pytest.raises(KeyboardInterrupt):
        train(gan, observers=[Impatient()])
    before = bits(gan.discriminator)
    train(gan, generator_optimizer=torch.optim.SGD(gan.generator.parameters(), lr=0.1))
    assert bits(gan.discriminator) != before


def test_a_penalty_of_d_may_use_the_fakes_of_its_phase_whatever_the_latents():
    class OnFakes:
        network, interval = "discriminator", 1

        def penalty(self, context: Any) -> torch.Tensor:
            fake = context.fake.requires_grad_()
            (slope,) = torch.autograd.grad(context.discriminator(fake).sum(), fake, create_graph=True)
            return (slope.norm(dim=1) - 1).square().mean()

    for latents in ("shared", "fresh"):
        assert train(regularizers=[OnFakes()], latents=latents).status == "done"


def test_an_observer_that_stops_a_run_leaves_a_checkpoint_and_a_grid(tmp_path: Path):
    class Stop(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> str | None:
            return "stop" if step == 3 else None

    train(steps=100, out=tmp_path / "run", observers=[Stop()])

    assert (tmp_path / "run" / "checkpoints" / "step-00000003" / "manifest.json").is_file()
    assert (tmp_path / "run" / "samples" / "step-00000003.png").is_file()
    assert json.loads((tmp_path / "run" / "exit.json").read_text())["checkpoint"] == "step-00000003"


def test_a_state_that_cannot_be_saved_is_refused_before_anything_is_written(tmp_path: Path):
    class Odd(nn.Linear):
        def get_extra_state(self) -> str:
            return "words"

        def set_extra_state(self, state: str) -> None: ...

    with pytest.raises(ganreg.GanregError, match=r"GR203.*holds a str, which a checkpoint cannot"):
        train(ganreg.GAN(game().generator, Odd(2, 1)), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_optimizer_whose_rate_is_a_tensor_is_saved(tmp_path: Path):
    train(
        out=tmp_path / "run",
        generator_optimizer=lambda params: torch.optim.Adam(params, lr=torch.tensor(1e-3), fused=True),
    )

    assert (tmp_path / "run" / "checkpoints").is_dir()


def test_nothing_is_saved_or_drawn_from_a_poisoned_state(tmp_path: Path):
    class Poisoned:
        discriminator = staticmethod(lambda real, fake: fake.mean() - real.mean())
        equilibrium = None

        def __init__(self) -> None:
            self.calls = 0

        def generator(self, fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
            self.calls += 1
            return -fake.mean() * (torch.nan if self.calls >= 5 else 1.0)

    with pytest.raises(ganreg.GanregError, match="GR401"):
        train(loss=Poisoned(), steps=20, out=tmp_path / "run", log_every=20, checkpoint_every=2, sample_every=3)

    saved = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert saved == ["latest", "step-00000002", "step-00000004"]
    assert not (tmp_path / "run" / "samples" / "step-00000006.png").exists()


WRONG_PARTS: dict[str, dict[str, Any]] = {
    "a loss that is a module": {"loss": nn.BCEWithLogitsLoss()},
    "an optimizer that wants a closure": {"generator_optimizer": torch.optim.LBFGS},
    "a penalty that is none": {"regularizers": [object()]},
}


@pytest.mark.parametrize("case", WRONG_PARTS)
def test_a_wrong_part_is_refused_before_anything_is_written(case: str, tmp_path: Path):
    with pytest.raises(ganreg.GanregError, match="GR203"):
        train(out=tmp_path / "run", **WRONG_PARTS[case])
    assert list(tmp_path.iterdir()) == []


def test_a_tuple_is_no_gan_and_a_text_no_list():
    with pytest.raises(TypeError, match=r"expected a ganreg.GAN\(generator, discriminator\), got tuple"):
        train((game().generator, game().discriminator))
    with pytest.raises(TypeError, match="expected a list of regularizers, got the text 'r1'"):
        train(regularizers="r1")


# --- the run directory ------------------------------------------------------------------------------------------------


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    ganreg.train_gan(
        ganreg.GAN("mlp", "mlp"),
        "gaussians",
        steps=10,
        log_every=2,
        checkpoint_every=5,
        sample_every=5,
        out=out,
        progress=False,
    )
    return out


def test_a_run_leaves_what_other_tools_read(run_dir: Path):
    found = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}

    assert {"config.yaml", "environment.json", "metrics.jsonl", "exit.json", "samples/reals.png"} <= found
    assert {"samples/step-00000005.png", "samples/step-00000010.png", "checkpoints/step-00000010/manifest.json"} <= found
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10]
    told = json.loads((run_dir / "environment.json").read_text())
    assert told["kernel"]["kind"] in ("prebuilt", "compiled", "reference")
    assert told["data"]["samples"] == 10_000
    assert json.loads((run_dir / "exit.json").read_text())["code"] == 0


def test_the_written_configuration_repeats_the_run(run_dir: Path, tmp_path: Path):
    from ganreg.assembly import train_config

    config = resolve([yamltext.read(run_dir / "config.yaml")], current())
    train_config(config, out=tmp_path / "again", progress=False)

    for name in ("generator", "discriminator", "ema", "optimizer-generator", "random"):
        path = Path("checkpoints", "step-00000010", f"{name}.safetensors")
        assert (tmp_path / "again" / path).read_bytes() == (run_dir / path).read_bytes(), name


def test_a_resumed_run_is_the_run_that_would_have_been(run_dir: Path, tmp_path: Path):
    from ganreg.assembly import train_config

    document = yamltext.read(run_dir / "config.yaml")
    longer = yamltext.Document({"steps": 20}, "test")
    train_config(resolve([document, longer], current()), out=tmp_path / "whole", progress=False)
    train_config(resolve([document, longer], current()), out=run_dir, resume=run_dir, progress=False)

    for name in ("generator", "discriminator", "ema", "optimizer-discriminator", "random", "state"):
        path = Path("checkpoints", "step-00000020", f"{name}.{'json' if name == 'state' else 'safetensors'}")
        assert (tmp_path / "whole" / path).read_bytes() == (run_dir / path).read_bytes(), name
    rows = [json.loads(line)["step"] for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(2, 21, 2))
    assert yamltext.read(run_dir / "config.yaml").values["steps"] == 20


def test_an_allowed_change_of_an_optimizer_takes_effect(run_dir: Path):
    from ganreg.assembly import train_config

    document = yamltext.read(run_dir / "config.yaml")
    other = yamltext.Document({"steps": 12, "generator_optimizer": {"lr": 1e-5}}, "test")
    config = resolve([document, other], current())
    with pytest.raises(SettingsError, match=r"generator_optimizer.lr is 1e-05, the checkpoint was made with 0.0002"):
        train_config(config, out=run_dir, resume=run_dir, progress=False)
    with pytest.raises(SettingsError, match="nothing that is called nope was changed"):
        train_config(config, out=run_dir, resume=run_dir, progress=False, allow_change=["generator-optimizer.lr", "nope"])
    train_config(config, out=run_dir, resume=run_dir, progress=False, allow_change=["generator-optimizer.lr"])

    last = json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["lr_g"], last["lr_d"]) == (1e-5, 2e-4)


def test_a_log_that_is_damaged_stops_a_run_that_goes_on(run_dir: Path):
    from ganreg.assembly import train_config

    with (run_dir / "metrics.jsonl").open("a") as log:
        log.write("not json\n")
    longer = yamltext.Document({"steps": 12}, "test")
    config = resolve([yamltext.read(run_dir / "config.yaml"), longer], current())
    with pytest.raises(ganreg.GanregError, match=r"GR502.*not a logged step"):
        train_config(config, out=run_dir, resume=run_dir, progress=False)


def test_a_number_that_was_taken_meanwhile_is_passed_over(tmp_path: Path):
    from ganreg.assembly.record import _claim_next
    from ganreg.engine.rundir import RunDirectory

    other = RunDirectory(tmp_path / "0001")
    ours = _claim_next(tmp_path / "0001")

    assert ours.path.name == "0002"
    ours.release()
    other.release()


def test_the_header_of_a_configuration_promises_only_what_it_can_keep(run_dir: Path, tmp_path: Path):
    train(out=tmp_path / "objects")

    assert "Repeat it" in (run_dir / "config.yaml").read_text().splitlines()[0]
    assert "Some parts were objects" in (tmp_path / "objects" / "config.yaml").read_text().splitlines()[0]
    with pytest.raises(ganreg.GanregError, match=r"GR100.*was an object, .* that no name builds"):
        resolve([yamltext.read(tmp_path / "objects" / "config.yaml")], current())


def test_a_directory_that_holds_something_is_refused_before_training(run_dir: Path):
    with pytest.raises(RunExistsError):
        train(out=run_dir)


def test_how_a_failed_run_ended_is_told(tmp_path: Path):
    with pytest.raises(ganreg.GanregError, match=r"GR401"):
        train(out=tmp_path / "run", generator_optimizer=lambda p: torch.optim.SGD(p, lr=1e38), steps=50)

    told = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert (told["code"], told["error"]) == (5, "GR401")


def test_parts_that_are_objects_are_told_as_such(tmp_path: Path):
    train(out=tmp_path / "run")

    told = yamltext.read(tmp_path / "run" / "config.yaml").values
    assert told["generator"] == {"object": "tests.engine.small.Generator"}
    assert told["generator_optimizer"]["name"] == "adam"
    assert told["loss"] == {"name": "bce", "real_label": 1.0, "fake_label": 0.0}


def test_an_empty_working_folder_can_be_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    train(game(), out=Path(), checkpoint_every=2)

    assert (tmp_path / "exit.json").exists()


def test_a_run_uses_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import tempfile

    (tmp_path / "full").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    for name in ("mkstemp", "mkdtemp", "TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, lambda *given, **named: pytest.fail("a temporary file was asked for"))
    train(game(), out=tmp_path / "run", checkpoint_every=2, sample_every=2)

    assert list((tmp_path / "full").iterdir()) == []
    assert (tmp_path / "run/exit.json").exists()


def test_no_secret_of_the_environment_is_written_into_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secret = "hf_S3cretOfTheEnvironment"
    for name in ("HF_TOKEN", "WANDB_API_KEY", "PASSWORD", "GANREG_SECRET", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, f"https://user:{secret}@example.org")
    with pytest.raises(NonFiniteError):
        train(game(), steps=9, out=tmp_path / "run", checkpoint_every=1, generator_optimizer=explodes)

    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any("crash" in path.parts for path in written)
    assert any("checkpoints" in path.parts for path in written)
    assert [path for path in written if secret.encode() in path.read_bytes()] == []


def explodes(params: Any) -> torch.optim.Optimizer:
    """After two steps in which it does nothing."""

    class Late(torch.optim.SGD):
        steps = 0

        def step(self, closure: Any = None) -> Any:
            self.steps += 1
            self.param_groups[0]["lr"] = 1e38 if self.steps > 2 else 0.0
            return super().step(closure)

    return Late(params, lr=0.0)
