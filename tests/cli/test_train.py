"""`ganreg train`: options, faults, what is written and what is said."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganreg import yamltext

from .conftest import TINY, Run

ROOT = Path(__file__).parents[2]


def resolved(run: Run, *words: str) -> dict:
    ran = run("config", "show", *words)
    assert (ran.status, ran.err) == (0, "")
    return yamltext.parse(ran.out).values


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_run_says_what_was_inferred_and_where_it_went(run: Run, place: Path):
    status, out, err = run("train", *TINY)

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "discriminator: mlp  (inferred)"
    assert lines[1].startswith("data: 10,000 samples of 2; G and D: ")
    assert "3 steps; samples every 1 steps, checkpoints every 1 steps" in lines[1]
    assert "run: runs/0001" in lines
    assert "kernel: reference, because GANREG_KERNEL=reference" in lines
    assert any(line.startswith("step 3/3  images 192  L_D ") for line in lines)
    assert lines[-1].startswith("runs/0001: done in ")
    assert "; samples runs/0001/samples/step-00000003.png; " in lines[-1]
    assert " from equilibrium, " in lines[-1]
    written = {path.name for path in Path("runs/0001").iterdir()}
    assert {"config.yaml", "environment.json", "metrics.jsonl", "samples", "checkpoints", "exit.json"} <= written


def test_the_next_run_has_the_next_number(run: Run):
    assert run("train", *TINY, "--quiet") == (0, "runs/0001\n", "")
    assert run("train", *TINY, "--quiet") == (0, "runs/0002\n", "")


def test_a_run_s_own_configuration_repeats_it(run: Run, trained: Path):
    assert run("train", "-c", str(trained / "config.yaml"), "--out", "again", "--quiet").status == 0

    first, second = (
        [json.loads(line)["loss_d"] for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (trained, Path("again"))
    )
    assert first == second


def test_a_dry_run_checks_everything_and_creates_nothing(run: Run, place: Path):
    status, out, err = run("train", *TINY, "--dry-run")

    assert (status, err) == (0, "")
    assert yamltext.parse(out).values["steps"] == 3  # the notes are comments
    assert "# discriminator: mlp  (inferred)" in out
    assert out.endswith("# a dry run: all of it fits, nothing was written\n")
    assert list(place.iterdir()) == []


def test_a_dry_run_sees_that_networks_and_data_do_not_fit(run: Run, place: Path):  # C8
    status, _, err = run("train", "--generator", "dcgan", "--dataset", "gaussians", "--dry-run")

    assert status == 2
    assert err.startswith("error[GR106]: ")
    assert list(place.iterdir()) == []


def test_an_interrupt_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, out: Path, **__: object) -> None:
        (out / "checkpoints" / "step-00000001").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganreg.assembly.train_config", interrupted)

    assert run("train", *TINY) == (130, "", "interrupted; go on with: ganreg train --resume runs/0001\n")


def test_ctrl_c_ends_with_130_and_no_traceback(place: Path):
    words = [*TINY, "--steps", "1000000", "--checkpoint-every", "0"]
    program = subprocess.Popen(
        [sys.executable, "-m", "ganreg", "train", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background has it ignored
    )
    try:
        log = Path("runs/0001/metrics.jsonl")
        until = time.monotonic() + 60
        while not log.exists() and time.monotonic() < until:
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=60)
    finally:
        program.kill()

    assert program.returncode == 130
    assert "\ninterrupted" in err
    assert "Traceback" not in err


def test_training_goes_on_when_nobody_reads_on(place: Path):  # C13
    line = f"'{sys.executable}' -m ganreg train {' '.join(TINY)} 2> err | true; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, timeout=100, check=False)

    assert ran.stdout == "0\n", Path("err").read_text()
    assert "Traceback" not in Path("err").read_text()
    assert json.loads(Path("runs/0001/exit.json").read_text())["step"] == 3


# --- going on ---------------------------------------------------------------------------------------------------------


def test_resume_takes_everything_from_the_run_and_more_steps(run: Run, trained: Path):
    status, out, _ = run("train", "--resume", str(trained), "--steps", "5")

    assert status == 0
    assert out.splitlines()[-1].startswith("runs/0001: done in ")
    assert json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 5


def test_latest_is_the_run_that_was_saved_last(run: Run, trained: Path):
    run("train", *TINY, "--quiet")
    run("train", "--resume", str(trained), "--steps", "4", "--quiet")

    assert run("train", "--resume", "latest", "--steps", "5", "--quiet") == (0, f"{trained}\n", "")


def test_latest_without_a_run_is_refused(run: Run):
    status, _, err = run("train", "--resume", "latest")

    assert status == 2
    assert err.startswith("error[GR100]: there is no run with a checkpoint below runs\n  at: latest\n")


def test_fewer_steps_than_are_done_write_nothing(run: Run, trained: Path):  # C14
    before = sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*"))
    status, out, _ = run("train", "--resume", str(trained), "--steps", "2")

    assert status == 0
    assert out == "runs/0001 is already at step 3; --steps takes it further\n"
    assert sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("--loss", "hinge", "--seed", "3"), ["--loss", "--seed"]),
        (("--generator.latent-dim", "3"), ["--generator.latent-dim"]),
        (("--set", "loss=hinge"), ["--set"]),
        (("-c", "other.yaml"), ["--config"]),
        (("--out", "elsewhere"), ["--out"]),
    ],
)
def test_other_options_beside_resume_are_refused(run: Run, words: tuple[str, ...], flags: list[str]):
    status, _, err = run("train", "--resume", "latest", *words)

    assert status == 2
    told = ", ".join(flags)
    assert err.startswith(
        f"error[GR100]: --resume takes everything from the run but --steps and --tracker; {told} cannot be changed\n"
    )


def test_a_run_that_is_not_there_cannot_be_resumed(run: Run, place: Path):
    status, _, err = run("train", "--resume", "runs/0007")

    assert status == 6
    assert err.startswith("error[GR502]: the run directory does not exist\n  at: runs/0007\n")
    assert list(place.iterdir()) == []


def test_a_changed_configuration_is_refused_with_the_difference_and_can_be_allowed(run: Run, trained: Path):  # C10
    config = trained / "config.yaml"
    config.write_text(config.read_text().replace("batch_size: 64", "batch_size: 32"))
    before = sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*"))

    status, _, err = run("train", "--resume", str(trained), "--steps", "5")

    assert status == 2
    assert err.startswith("error[GR103]: batch_size is 32, the checkpoint was made with 64\n")
    assert sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*")) == before
    again = run("train", "--resume", str(trained), "--steps", "5", "--allow-change", "batch-size", "--quiet")
    assert again.status == 0, again.err


def test_a_run_says_which_plugin_file_it_needs_and_takes_no_other(run: Run, place: Path, plugin_file: Path):  # C15
    ran = run("train", *TINY, "--plugin", str(plugin_file), "--loss", "mine", "--quiet")
    config = str(Path(ran.out.strip()) / "config.yaml")
    assert ran.status == 0, ran.err

    status, _, err = run("train", "-c", config)
    assert status == 2
    assert "this configuration needs the plugin file mine.py" in err
    assert "fix: give it again: --plugin mine.py" in err

    assert run("train", "-c", config, "--plugin", str(plugin_file), "--quiet").status == 0

    plugin_file.write_text(plugin_file.read_text() + "# changed\n")
    status, _, err = run("train", "-c", config, "--plugin", str(plugin_file))
    assert status == 2
    assert "the plugin file mine.py is another one than the run's: its sha256 is" in err


def test_a_native_kernel_that_is_required_and_missing_is_told_before_anything_is_created(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):  # K12
    monkeypatch.setenv("GANREG_KERNEL", "native")
    monkeypatch.setenv("CXX", "/nowhere/c++")
    monkeypatch.setattr("ganreg.ops.library._prebuilt", lambda device: Path("/nowhere.so"))

    status, _, err = run("train", *TINY)

    assert status == 70
    assert err.startswith("error[GR901]: the native kernel was required and is not available: ")
    assert list(place.iterdir()) == []


def test_a_run_of_objects_is_resumed_from_python(run: Run, trained: Path):
    config = trained / "config.yaml"
    config.write_text("generator:\n  object: mine.Net\n")
    status, _, err = run("train", "--resume", str(trained))

    assert status == 2
    assert err.startswith("error[GR100]: the generator of this run was an object, mine.Net, that no name builds\n")
    assert f"  at: {config}:1:1\n" in err


# --- faults of names, settings and files, each with nothing created -----------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "code", "told"),
    [
        (
            ["--generator", "dcgn"],
            2,
            "GR101",
            "no generator is named 'dcgn'. Did you mean 'dcgan'? Known: dcgan, fastgan, mlp",
        ),  # C1
        (["--generator", "dcgn"], 2, "GR101", "fix: ganreg list generators"),
        (["--loss", "dcgan"], 2, "GR102", "'dcgan' is a discriminator and a generator, not a loss"),  # C2
        (["--set", "lr_gg=1"], 2, "GR103", "there is no setting 'lr_gg'."),  # C3
        (
            ["--set", "generator.latent_dmi=1"],
            2,
            "GR103",
            "generator 'mlp' has no setting 'latent_dmi'. Did you mean 'latent_dim'?",
        ),
        (["--generator.latent-dmi", "8"], 2, "GR100", "Did you mean '--generator.latent-dim'?"),
        (["--batch-size", "64x"], 2, "GR103", "batch_size must be an integer, got '64x'\n  at: --batch-size"),  # C4
        (["--batch-size", "0"], 2, "GR103", "batch_size must be greater than or equal to 1, got 0"),
        (["--batch-size", "-1"], 2, "GR103", "batch_size must be greater than or equal to 1, got -1"),
        (["--batch-size", "1e9"], 2, "GR103", "batch_size must be less than or equal to 1048576, got 1000000000"),
        (["--batch-size", "true"], 2, "GR103", "batch_size must be a number and not a truth value, got"),
        (["--epochs", ".nan"], 2, "GR103", "epochs must be "),
        (["--optimizer.lr", ".inf"], 2, "GR103", "lr must be "),
        (["--generator.latent-dim", "x"], 2, "GR103", "latent_dim must be an integer, got 'x'\n  at: --generator.latent-dim"),
        (["--device", "cuda"], 2, "GR107", "there is no device 'cuda' here; there is cpu"),  # C9
        (["--device", "cuda:9"], 2, "GR107", "there is no device 'cuda:9' here; there is cpu"),
        (["--out", "a\nb"], 6, "GR501", "the run directory's name holds a control character"),  # C12
        (["--out", "x" * 300], 6, "GR501", "the run directory cannot be made: "),
        (["--out", "/dev/null/run"], 6, "GR501", "the run directory cannot be made"),
        (["-c", "none.yaml"], 2, "GR105", "the configuration file does not exist\n  at: none.yaml"),  # C6
        (["-c", "."], 2, "GR105", "the configuration file is a directory"),
        (["--set", "steps"], 2, "GR100", "expected KEY=VALUE, got 'steps'"),
        (["--data", "none", "--dataset", "digits"], 2, "GR100", "--dataset and --data both say what 'dataset.name' is"),
        (["--data", "none"], 4, "GR301", "no folder of pictures at '/"),
        (["--resolution", "8", "--dataset", "gaussians"], 2, "GR103", "dataset 'gaussians' has no setting 'resolution'."),
        (["--steps", "3", "--epochs", "2"], 2, "GR103", "steps and epochs both say how long; give one"),
        (["--ema", "none", "--ema.ramp", "0.1"], 2, "GR100", "--ema and --ema.ramp both say what 'ema' is"),
        (["--regularizer.r1.weight", "1"], 2, "GR100", "there is no option '--regularizer.r1.weight'."),
        (["--set", "regularizer.r1.weight=1"], 2, "GR103", "no regularizer 'r1' is chosen"),
        (["--generator", "none"], 2, "GR103", "a generator needs a name, got none"),
    ],
)
def test_a_fault_is_told_and_nothing_is_created(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, code: str, told: str
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    base = [] if "--generator" in words else ["--generator", "mlp"]
    got, out, err = run("train", *base, *words)

    assert (got, out) == (status, "")
    assert err.startswith(f"error[{code}]: ")
    assert told in err
    assert "  fix: " in err
    assert list(place.iterdir()) == []


def test_all_faults_are_told_at_once_each_with_its_option(run: Run):
    status, _, err = run(
        "train", "--batch-size", "0", "--generator", "mlp", "--generator.latent-dim", "x", "--set", "optimizer.lr=-1"
    )

    assert status == 2
    assert err.startswith("error[GR103]: 3 settings are wrong\n")
    assert "latent_dim must be an integer, got 'x'" in err
    assert err.count("lr must be greater than 0, got -1 (--set optimizer.lr)") == 1
    assert "batch_size must be greater than or equal to 1, got 0 (--batch-size)" in err
    assert "  at: --generator.latent-dim\n" in err


def test_a_fault_in_a_file_has_its_line(run: Run, place: Path):  # C3, C4
    Path("run.yaml").write_text("generator:\n  name: mlp\n  latent_dmi: 3\nbatch_size: 64x\n")
    status, _, err = run("train", "-c", "run.yaml")

    assert status == 2
    assert "Did you mean 'latent_dim'?" in err
    assert "  at: run.yaml:3:3\n" in err
    assert "batch_size must be an integer, got '64x' (run.yaml:4:1)" in err
    assert [path.name for path in place.iterdir()] == ["run.yaml"]


def test_a_file_that_is_no_yaml_has_its_line(run: Run):
    Path("run.yaml").write_text("loss: {name: bce\n")
    status, _, err = run("train", "-c", "run.yaml")

    assert status == 2
    assert err.startswith("error[GR104]: ")
    assert "  at: run.yaml:2:1\n" in err


def test_a_fifo_is_not_waited_for(run: Run):  # C6
    os.mkfifo("pipe")
    status, _, err = run("train", "-c", "pipe")

    assert status == 2
    assert err.startswith("error[GR105]: the configuration file is not a file\n  at: pipe\n")


def test_a_full_directory_is_refused_and_both_choices_shown(run: Run, place: Path):  # C11
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("keep")
    status, out, err = run("train", *TINY, "--out", "mine")

    assert (status, out) == (2, "")
    assert err == (
        "error[GR108]: the run directory is not empty\n  at: mine\n  fix: go on with --resume mine, or give another --out\n"
    )
    assert [path.name for path in (place / "mine").iterdir()] == ["notes.txt"]
    assert run("train", *TINY, "--out", "mine", "--dry-run").status == 2


# --- what the options mean ----------------------------------------------------------------------------------------------


def test_the_command_line_wins_over_the_file(run: Run):  # C7
    Path("run.yaml").write_text("generator: {name: mlp, latent_dim: 3}\nbatch_size: 8\nloss: hinge\n")
    config = resolved(run, "-c", "run.yaml", "--generator.latent-dim", "5", "--batch-size", "16")

    assert config["generator"]["latent_dim"] == 5
    assert config["batch_size"] == 16
    assert config["loss"]["name"] == "hinge"


def test_every_form_of_an_option_reaches_its_key(run: Run):
    config = resolved(
        run,
        *("--generator=mlp", "--generator.hidden", "[8, 16]", "--loss", "bce", "--loss.real-label=0.9"),
        *(
            "--optimizer",
            "sgd",
            "--optimizer.lr",
            "1e-2",
            "--generator-optimizer",
            "adam",
            "--generator-optimizer.betas",
            "0,0.9",
        ),
        *("--set", "discriminator.hidden=[4]", "--set", "keep=2", "--resolution", "8", "--latents", "fresh"),
        *("--ema.half-life", "1e4", "--ema.ramp", "none", "--discriminator-steps", "2"),
    )

    assert config["generator"] == {"name": "mlp", "latent_dim": 64, "hidden": [8, 16], "conditioning": "none", "init": "torch"}
    assert config["loss"]["real_label"] == 0.9
    assert config["discriminator_optimizer"]["name"] == "sgd"
    assert config["discriminator_optimizer"]["lr"] == 0.01
    assert config["generator_optimizer"]["name"] == "adam"
    assert config["generator_optimizer"]["betas"] == [0, 0.9]
    assert config["discriminator"]["hidden"] == [4]
    assert config["keep"] == 2
    assert config["dataset"] == {"name": "digits", "resolution": 8}
    assert config["latents"] == "fresh"
    assert config["ema"] == {"half_life": 10_000.0, "ramp": None}
    assert config["discriminator_steps"] == 2


def test_none_is_nothing(run: Run):
    Path("run.yaml").write_text("generator: mlp\nsample_every: 5\n")
    config = resolved(run, "-c", "run.yaml", "--ema", "none", "--augmentation", "none", "--sample-every", "none")

    assert config["ema"] is None
    assert config["augmentation"] is None
    assert config["sample_every"] is None


def test_data_is_the_folder_of_pictures(run: Run):
    config = resolved(run, "--generator", "mlp", "--data", "photos", "--resolution", "32")
    same = resolved(run, "--generator", "mlp", "--dataset", "image-folder", "--data", "photos", "--resolution", "32")

    assert config["dataset"]["name"] == "image-folder"
    assert config["dataset"]["path"] == str(Path("photos").absolute())  # found from anywhere
    assert config["dataset"]["resolution"] == 32
    assert same == config


def test_regularizers_add_up_and_have_their_own_settings(run: Run, plugin_file: Path):
    mine = ("--plugin", str(plugin_file))
    config = resolved(run, *mine, "--generator", "mlp", "--regularizer", "damp", "--regularizer.damp.weight", "0.5")

    assert config["regularizers"] == [{"name": "damp", "weight": 0.5}]
    assert resolved(run, *mine, "--generator", "mlp", "--regularizer", "none")["regularizers"] == []


def test_a_part_from_a_file_trains_with_its_own_options(run: Run, plugin_file: Path):
    mine = ("--plugin", str(plugin_file), "--loss", "mine")
    assert run("train", *TINY, *mine, "--loss.strength", "3", "--loss.bold", "--quiet").status == 0

    config = yamltext.read(Path("runs/0001/config.yaml")).values
    assert config["loss"] == {"name": "mine", "strength": 3.0, "bold": True}
    assert run("train", *TINY, "--loss", "mine").status == 2


# --- help ---------------------------------------------------------------------------------------------------------------


def test_help_has_every_setting_of_a_run(run: Run):
    status, out, _ = run("train", "--help")

    assert status == 0
    for flag in ("--steps", "--batch-size", "--ema.half-life", "--checkpoint-every", "--generator", "--regularizer", "--set"):
        assert f"  {flag} " in out
    assert "--generator.latent-dim" not in out
    assert "ganreg train --generator NAME --help" in " ".join(out.split())


def test_help_has_the_chosen_parts_options_with_defaults_under_their_names(run: Run):
    status, out, _ = run("train", "--generator", "mlp", "--loss", "hinge", "--help")

    assert status == 0
    parts = out.split("generator mlp:")[1]
    assert "--generator.latent-dim int" in parts
    assert "numbers in one latent vector  [64]" in parts
    assert "discriminator mlp:" in parts
    assert "--loss.margin float" in parts.split("loss hinge:")[1]
    assert parts.count("--optimizer.lr ") == 1
    assert "--generator-optimizer.lr" not in parts
    assert out.index("loss hinge:") < out.index("Other:")


def test_help_of_two_optimizers_keeps_them_apart(run: Run):
    out = run("train", "--generator", "mlp", "--generator-optimizer", "sgd", "--help").out

    assert "--generator-optimizer.lr " in out.split("generator optimizer sgd:")[1]
    assert "--discriminator-optimizer.betas " in out.split("discriminator optimizer adam:")[1]
    assert "--optimizer.betas" not in out.split("both optimizers:")[1]


def test_help_for_a_part_of_a_file_has_its_options(run: Run, plugin_file: Path):
    out = run("train", "--plugin", str(plugin_file), "--loss", "mine", "--regularizer", "damp", "--help").out

    assert "--loss.strength float" in out
    assert "--regularizer.damp.weight float" in out
