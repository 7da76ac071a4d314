"""What ganreg finds by the entry point: records, and no torch."""

import ganreg

GANREG_API = 1


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component(
        "loss", "huber", "ganreg_native_loss.loss:Huber", "Least squares that outliers do not pull.", paper="1611.04076"
    )
