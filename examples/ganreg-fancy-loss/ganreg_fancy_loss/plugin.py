"""What ganreg finds by the entry point: records, and no torch."""

import ganreg

GANREG_API = 1


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component(
        "loss", "focal", "ganreg_fancy_loss.loss:Focal", "Cross-entropy on what is still wrong.", paper="1708.02002"
    )
