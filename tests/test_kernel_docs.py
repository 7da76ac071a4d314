"""The loss that docs/kernel.md adds compiles, and its two definitions agree."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganreg.ops import sources

PAGE = (Path(__file__).parents[1] / "docs" / "kernel.md").read_text(encoding="utf-8")
LOGITS = [-3.0, -1.0, -0.5, 0.0, 0.9, 1.0, 1.5, 2.0, 2.5, 4.0, math.inf, -math.inf, math.nan]

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "cpu/lanes_scalar.h"
#include "cpu/polynomials.h"
#include "pointwise.h"
namespace ganreg {{
namespace {{
{functor}
}}
}}
int main(int count, char** words) {{
  using V = ganreg::Doubles;
  const ganreg::Huber<V> loss(V(1), V(1));
  for (int i = 1; i < count; ++i) {{
    const ganreg::Logit<V> logit(V(atof(words[i])));
    const auto found = loss(logit);
    printf("%.17g %.17g %.17g\\n", found.loss.v, found.derivative.v, loss.curvature(logit).v);
  }}
}}
"""


def block(language, word):
    (found,) = [text for text in re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if word in text]
    return found


@pytest.mark.slow
def test_the_example_is_one_loss_written_down_twice(tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    names = {"torch": torch, "Tensor": Tensor}
    exec(block("python", "def huber"), names)
    (tmp_path / "huber.cpp").write_text(PROGRAM.format(functor=block("cpp", "struct Huber")))
    command = ["c++", *sources.FLAGS, f"-I{sources.folder()}", tmp_path / "huber.cpp", "-o", tmp_path / "huber"]
    subprocess.run(command, check=True)

    told = subprocess.run([tmp_path / "huber", *map(str, LOGITS)], check=True, capture_output=True, text=True).stdout

    native = torch.tensor([[float(word) for word in line.split()] for line in told.splitlines()], dtype=torch.float64)
    x = torch.tensor(LOGITS, dtype=torch.float64)
    reference = torch.stack(names["huber"](x, torch.ones(()).double(), 1.0), dim=1)
    torch.testing.assert_close(native[:-1], reference[:-1], rtol=0, atol=0)
    assert native[-1, :2].isnan().all()
    assert reference[-1, :2].isnan().all()


def test_the_numbers_of_the_example_are_those_of_its_definition():
    names = {"torch": torch, "Tensor": Tensor}
    exec(block("python", "def huber"), names)
    loss, derivative, _ = names["huber"](torch.tensor([-3.0, 0.9, 4.0]), torch.ones(()), 1.0)

    shown = block("python", "found.value")
    for name, numbers in (("value", loss), ("grads", derivative)):
        told = re.search(rf"found\.{name} .*?\[(.*?)\]", shown).group(1)
        torch.testing.assert_close(numbers, torch.tensor([float(word) for word in told.split(",")]), rtol=0, atol=5e-5)
