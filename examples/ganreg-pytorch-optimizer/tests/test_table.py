"""The table is what the installed pytorch_optimizer offers, less what is left out for a reason."""

import subprocess
import sys
from pathlib import Path

from ganreg_pytorch_optimizer import make_table, table
from ganreg_pytorch_optimizer.excluded import EXCLUDED
from pytorch_optimizer.optimizer import OPTIMIZERS as INSTALLED


def test_every_optimizer_is_in_the_table_or_left_out_with_a_reason():
    assert set(table.OPTIMIZERS) | set(EXCLUDED) == set(INSTALLED)
    assert not set(table.OPTIMIZERS) & set(EXCLUDED)
    assert all(len(reason.split()) >= 4 for reason in EXCLUDED.values())


def test_the_table_is_the_one_that_would_be_written_now():
    assert Path(table.__file__).read_text(encoding="utf-8") == make_table.text()


def test_the_names_of_the_built_in_optimizers_are_left_alone():
    assert not {"adam", "adamw", "muon", "rmsprop", "sgd"} & set(table.OPTIMIZERS)


def test_listing_imports_neither_torch_nor_pytorch_optimizer():
    code = (
        "import sys, ganreg; found = ganreg.components('optimizer');"
        "assert 'lion' in [one.name for one in found];"
        "sys.exit(' '.join({'torch', 'pytorch_optimizer'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert ran.stderr.strip() == ""
