"""What ganreg finds by the entry point: one record for each line of the table, and neither torch nor pytorch_optimizer."""

import ganreg
from ganreg_pytorch_optimizer.table import OPTIMIZERS

GANREG_API = 1


@ganreg.hookimpl
def ganreg_components():
    for name, (cls, summary, paper) in OPTIMIZERS.items():
        yield ganreg.Component("optimizer", name, f"ganreg_pytorch_optimizer.factories:{cls}", summary, paper=paper)
