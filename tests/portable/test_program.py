"""torch-export: read again by torch alone, for any batch, with the generator's own samples."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.errors import ExportError
from ganreg.portable import program
from ganreg.portable.frozen import freeze

from .generators import made

POINTS = DataSpec((2,))


class Plain(nn.Module):
    latent_dim = 2

    def forward(self, z: Tensor) -> Tensor:
        return z * 2


class Branching(Plain):
    def forward(self, z: Tensor) -> Tensor:
        return z * (1.0 if z.sum().item() > 0 else 0.5)


class Shuffling(Plain):
    def forward(self, z: Tensor) -> Tensor:
        return z[torch.randperm(z.shape[0])]


class OneBatch(Plain):
    def forward(self, z: Tensor) -> Tensor:
        return z.view(len(z), 1, 2)[:, 0]


def test_it_is_read_by_torch_alone_and_says_who_made_it(tmp_path: Path):
    network, spec = made("mlp-concat")
    frozen = freeze(network, spec)
    (tmp_path / "g.pt2").write_bytes(program.written(program.program(frozen), {"step": 7}))
    torch.save(frozen.inputs(5), tmp_path / "inputs.pt")
    code = (
        "import sys, torch\n"
        "extra = {'ganreg.json': ''}\n"
        "g = torch.export.load('g.pt2', extra_files=extra).module()\n"
        "torch.save(g(*torch.load('inputs.pt')), 'samples.pt')\n"
        "print(extra['ganreg.json'], 'ganreg' in sys.modules)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
    )

    assert ran.returncode == 0, ran.stderr
    facts, _, alone = ran.stdout.strip().rpartition(" ")
    assert json.loads(facts) == {"step": 7}
    assert alone == "False"
    torch.testing.assert_close(torch.load(tmp_path / "samples.pt"), network(*frozen.inputs(5)))


def test_a_batch_beyond_its_maximum_is_refused_by_the_program():
    content = program.written(program.program(freeze(Plain(), POINTS), batch_max=8), {})
    again = torch.export.load(io.BytesIO(content)).module()

    assert again(torch.ones(8, 2)).shape == (8, 2)
    with pytest.raises(Exception, match=r"batch|8"):
        again(torch.ones(9, 2))


def test_nothing_of_this_machine_is_in_the_file():
    network, spec = made("dcgan")
    content = program.written(program.program(freeze(network, spec)), {})

    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"site-packages" not in content


@pytest.mark.parametrize(
    ("generator", "told"),
    [
        (Branching(), "torch.export fails"),
        (Shuffling(), r"draws random numbers with aten.randperm"),
        (OneBatch(), "torch.export fails"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, nn.Module) else "",
)
def test_what_is_no_graph_of_its_inputs_is_refused(generator: nn.Module, told: str):
    with pytest.raises(ExportError, match=told):
        program.program(freeze(generator, POINTS))


def test_a_program_that_makes_something_else_is_not_handed_over():
    other = program.written(program.program(freeze(Plain(), POINTS)), {})

    class Other(Plain):
        def forward(self, z: Tensor) -> Tensor:
            return z * 2 + 0.001

    assert program.check_program(other, freeze(Plain(), POINTS)) == 0.0
    with pytest.raises(ExportError, match=r"the torch-export is 0.001 away from the generator's samples, at most 0.0001"):
        program.check_program(other, freeze(Other(), POINTS))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda z: z[:, :1], r"makes samples \[1, 1\], the generator \[1, 2\]"),
        (lambda z: z * float("nan"), "is nan away"),
        (lambda z: z.no_such_thing, "fails for a batch of 1: AttributeError"),
    ],
)
def test_samples_of_another_shape_or_none_are_refused(answer, told: str):
    with pytest.raises(ExportError, match=told):
        program.largest_difference(answer, freeze(Plain(), POINTS))
