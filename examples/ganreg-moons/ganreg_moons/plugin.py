"""What ganreg finds by the entry point: records, and no torch."""

import ganreg

GANREG_API = 1


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("dataset", "moons", "ganreg_moons.dataset:Moons", "Points on two interlocking half moons.")
    yield ganreg.Component(
        "generator",
        "fourier",
        "ganreg_moons.networks:FourierGenerator",
        "Residual layers over sines of the latents; any shape.",
        paper="2006.10739",
    )
    yield ganreg.Component(
        "discriminator",
        "fourier",
        "ganreg_moons.networks:FourierDiscriminator",
        "Fully connected over sines of the samples; any shape.",
        paper="2006.10739",
    )
    yield ganreg.Component(
        "optimizer", "moons-lion", "ganreg_moons.optimizer:lion", "Lion: momentum's sign alone.", paper="2302.06675"
    )
