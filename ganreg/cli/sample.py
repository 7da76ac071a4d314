"""`ganreg sample`: pictures, animations or numbers from a trained generator; the same words make the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganreg.cli import output, runs, sample_files
from ganreg.cli.number_list import NumberList
from ganreg.cli.paths import PathName
from ganreg.cli.session import session_of, with_shared_options
from ganreg.cli.words import Choice, FiniteRange
from ganreg.errors import UsageError, did_you_mean, in_one_line

if TYPE_CHECKING:
    from torch import Tensor

    from ganreg.assembly.load import Trained
    from ganreg.assembly.sampling import Wish

COUNT, COLUMNS, FRAMES, PER_SECOND = 64, 8, 24, 20.0
MOST_FRAMES = 10_000
"""Frames of an animation: all of them are in memory at once."""
MOST_TOLD = 20
"""Names of classes that an error lists."""


@dataclass(frozen=True)
class Asked:
    """The options as they were typed; None or empty where they were not."""

    count: int | None
    seed: int | None
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    grid: bool
    interpolate: int | None
    frames: int | None
    fps: float | None
    ending: str | None
    truncation: float | None
    out: Path | None
    separate: Path | None
    best: bool
    force: bool
    show: bool


@with_shared_options
@click.command()
@click.argument("run", type=runs.RunPath())
@click.option("-n", "--num", "count", type=click.IntRange(1, 10**6), help=f"how many  [{COUNT}; with --grid {COLUMNS} a class]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="of the latents and labels  [0]")
@click.option("--seeds", type=NumberList(), default=(), metavar="1-8,13", help="one sample of each of these seeds, its first")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="N|NAME|all",
    shell_complete=lambda context, parameter, incomplete: ["all"] if "all".startswith(incomplete) else [],
    help="of this class, by name or else number; several take turns, all: every class  [as frequent as in the data]",
)
@click.option("--grid", is_flag=True, help="with --class: a row for each class, the same latents in each column")
@click.option(
    "--truncation",
    type=FiniteRange(0.0, 2.0),
    metavar="PSI",
    help="styles drawn towards their mean: 1 as trained, less is less varied; of generators with styles",
)
@click.option("--interpolate", type=click.IntRange(2, 1000), metavar="N", help="an animation from latents to latents and back")
@click.option("--frames", type=click.IntRange(1, MOST_FRAMES), help=f"with --interpolate: from one to the next  [{FRAMES}]")
@click.option("--fps", type=FiniteRange(1.0, 50.0), help=f"with --interpolate: frames a second  [{PER_SECOND:g}]")
@click.option(
    "--format",
    "ending",
    type=Choice(["gif", "png", "webp"]),
    help="with --interpolate: png and webp are exact, gif has 256 colours  [gif]",
)
@click.option("--show", is_flag=True, help="draw a preview here, in the terminal")
@click.option(
    "--out",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="a picture, or .npz for the numbers themselves  [RUN/samples/sample-stepT-seedS-nN.png]",
)
@click.option(
    "--separate",
    type=PathName(path_type=Path),
    metavar="DIR",
    help="one PNG file for each sample, in a new or empty directory",
)
@click.option("--best", is_flag=True, help="of the checkpoint that was best by the run's first --metric")
@click.option("--force", is_flag=True, help="overwrite what --out names")
@click.pass_context
def sample(context: click.Context, /, run: str, **said: object) -> None:
    """Make samples with a trained generator.

    RUN is a run's directory, one of its checkpoints, latest, or a folder that was exported or pulled.  The weights are the
    averaged ones where an average was kept.
    """
    session_of(context).registry()
    asked = Asked(**said)  # type: ignore[arg-type]
    _check_together(asked)
    sample_files.check_targets(asked.out, asked.separate, force=asked.force, animated=asked.interpolate is not None)
    directory = runs.find(run)
    from ganreg.assembly.evaluation import chosen_checkpoint
    from ganreg.assembly.load import load_trained
    from ganreg.assembly.sampling import of_one_class, samples

    trained = load_trained(chosen_checkpoint(directory, use_best=asked.best))
    wish = of_one_class(trained, _wish(asked, trained))
    if asked.interpolate and not trained.spec.is_image:
        raise UsageError("these samples are no pictures, which an animation needs", at="--interpolate", fix="leave it out")
    _tell(samples(trained, wish), asked, wish, trained)


def _tell(made: Tensor, asked: Asked, wish: Wish, trained: Trained) -> None:
    """Write, draw, and say where it went."""
    columns = wish.count if wish.grid else None
    what = f"{len(made)} samples"
    if wish.frames:
        what = f"{len(made)} frames between {wish.count} samples" + (f" of class {wish.classes[0]}" if wish.classes else "")
    if asked.separate is not None:
        if not trained.spec.is_image:
            raise UsageError("these samples are no pictures", at="--separate", fix="give --out FILE.npz")
        sample_files.write_each(made, asked.separate)
        output.say(f"{what}: {asked.separate}")
    if asked.out is not None or asked.separate is None:
        target = asked.out or trained.pictures / _name(asked, wish, trained)
        sample_files.write(made, target, columns=columns, per_second=(asked.fps or PER_SECOND) if wish.frames else None)
        output.say(f"{what}: {target}")
    if asked.show:
        from ganreg.cli import terminal_picture

        terminal_picture.show(made[:: wish.frames] if wish.frames else made, columns=columns)


def _wish(asked: Asked, trained: Trained) -> Wish:
    from ganreg.assembly.sampling import Wish

    count = len(asked.seeds) or asked.interpolate or asked.count or (COLUMNS if asked.grid else COUNT)
    every = range(trained.spec.num_classes)
    classes = every if "all" in asked.classes else [_class(word, trained.labels.names) for word in asked.classes]
    return Wish(
        count=count,
        seed=asked.seed or 0,
        seeds=asked.seeds,
        classes=classes,
        grid=asked.grid,
        frames=(asked.frames or FRAMES) if asked.interpolate else None,
        truncation=asked.truncation,
    )


def _class(word: str, names: Sequence[str]) -> int:
    """By name, where the classes have names, or by number."""
    if word in names:
        return names.index(word)
    if word.isdecimal():
        return int(word)
    if not names:
        raise UsageError(f"a class is a number or all, got '{word}'", at="--class", fix="--class 7")
    known = in_one_line(", ".join(names[:MOST_TOLD])) + (", …" if len(names) > MOST_TOLD else "")
    what = f"there is no class '{word}'.{did_you_mean(word, names)} Known: {known}"
    raise UsageError(what, at="--class", fix=f"--class '{names[0]}'")


def _check_together(asked: Asked) -> None:
    """What does not go together, before anything is loaded.  Raises UsageError."""
    for flag, value in {"-n": asked.count, "--seed": asked.seed}.items():
        if asked.seeds and value is not None:
            _refuse("--seeds says which samples already", flag)
    if "all" in asked.classes and len(asked.classes) > 1:
        _refuse("all are all the classes there are", "--class", "--class all, or the numbers alone")
    if asked.interpolate is None:
        for flag, typed in {"--frames": asked.frames, "--fps": asked.fps, "--format": asked.ending}.items():
            if typed is not None:
                _refuse("this is about an animation", flag, "add --interpolate 4")
    elif asked.count is not None:
        _refuse("--interpolate says how many already", "-n")
    elif asked.seeds and len(asked.seeds) != asked.interpolate:
        _refuse(f"--seeds names {len(asked.seeds)} samples to go through", "--interpolate", f"--interpolate {len(asked.seeds)}")
    elif asked.interpolate * (asked.frames or FRAMES) > MOST_FRAMES:
        _refuse(f"an animation has at most {MOST_FRAMES} frames", "--interpolate", "fewer samples, or fewer --frames")
    elif asked.grid:
        _refuse("a grid does not move", "--grid")
    elif len(asked.classes) > 1 or "all" in asked.classes:
        _refuse("an animation is of one class", "--class", "--class 7")
    elif asked.out is not None and asked.ending not in (None, asked.out.suffix.lower().removeprefix(".")):
        _refuse(f"--out ends in '{asked.out.suffix}'", "--format")
    if asked.grid and not asked.classes:
        _refuse("a grid has a row for each class, and no class was asked for", "--grid", "add --class all")


def _refuse(what: str, flag: str, fix: str = "") -> None:
    raise UsageError(what, at=flag, fix=fix or f"leave {flag} out")


def _name(asked: Asked, wish: Wish, trained: Trained) -> str:
    """Says how the samples were made, and by which checkpoint of the run."""
    front = "interpolation" if wish.frames else "grid" if wish.grid else "sample"
    which = [f"seeds{_short(asked.seeds)}"] if asked.seeds else [f"seed{wish.seed}", f"n{wish.count}"]
    frames = [f"frames{wish.frames}"] if wish.frames and wish.frames != FRAMES else []
    psi = [f"truncation{asked.truncation:g}"] if asked.truncation is not None else []
    classes = asked.classes if "all" in asked.classes else wish.classes
    of = [f"class{'-'.join(map(str, classes))}"] if classes else []
    checkpoint = [] if trained.is_export else [f"step{trained.step}"]
    return "-".join([front, *checkpoint, *which, *frames, *psi, *of]) + f".{(asked.ending or 'gif') if wish.frames else 'png'}"


def _short(seeds: Sequence[int]) -> str:
    """1, 2, 3, 9 -> "1-3,9"; long lists by their ends and their number."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], seed]
        else:
            spans.append([seed])
    told = ",".join("-".join(map(str, span)) for span in spans)
    return told if len(told) <= 40 else f"{seeds[0]}to{seeds[-1]}n{len(seeds)}"
