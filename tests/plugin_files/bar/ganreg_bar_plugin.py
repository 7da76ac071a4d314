"""Offers a loss that ganreg-foo has, too, and one that is built in."""

import ganreg
from ganreg.contracts import Component


@ganreg.hookimpl
def ganreg_components():
    yield Component("loss", "twin", "ganreg_bar_plugin:Twin", "Offered by two distributions.")
    yield Component("loss", "hinge", "ganreg_bar_plugin:Twin", "Named as a built-in one.")


class Twin:
    origin = "bar"

    def discriminator(self, real_logits, fake_logits):
        return real_logits

    def generator(self, fake_logits, real_logits=None):
        return fake_logits
