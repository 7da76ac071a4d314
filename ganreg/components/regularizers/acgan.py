"""Auxiliary classifier: D says of what class a sample is, and G learns to make samples of which it is right.

    D: w (CE(C(x), y) + CE(C(G(z, c)), c))        G: w CE(C(G(z, c)), c)        C: D's class logits

The paper asks D to classify fakes, too.  Without (`fakes` off), as later work has it, D learns the classes from data alone
and does not agree with G on fakes that are easy to classify.

Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", 2016.
https://arxiv.org/abs/1610.09585
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganreg.components.regularizers.input_gradient import at
from ganreg.contracts import DiscriminatorOutput, PenaltyContext, Schedule
from ganreg.errors import ContractError


@dataclass(frozen=True, kw_only=True, slots=True)
class ACGAN:
    """Cross-entropy of D's class logits [N, K], in both networks' steps.

    Raises ContractError where D has no class logits, or the data no labels.
    """

    network: ClassVar[Literal["both"]] = "both"
    interval: ClassVar[int] = 1
    shares_forward: ClassVar[bool] = True

    weight: Annotated[float, Field(gt=0, description="of the cross-entropies")] | Schedule = 1.0
    fakes: Annotated[bool, Field(description="whether D, too, learns the classes of fakes")] = True

    def penalty(self, context: PenaltyContext) -> Tensor:
        """What D said in this phase -> scalar."""
        weight = at(self.weight, context.images)
        if context.phase == "generator":
            return weight * _cross_entropy(context.fake_output, context.fake_labels)
        value = _cross_entropy(context.real_output, context.labels)
        if self.fakes:
            value = value + _cross_entropy(context.fake_output, context.fake_labels)
        return weight * value


def _cross_entropy(output: DiscriminatorOutput | None, labels: Tensor | None) -> Tensor:
    """Class logits [N, K] and labels [N] -> scalar."""
    if output is None or output.class_logits is None:
        raise _lacks("class logits, and the discriminator gives none")
    if labels is None:
        raise _lacks("labels, and there are none")
    return F.cross_entropy(output.class_logits, labels)


def _lacks(what: str) -> ContractError:
    return ContractError(
        f"an auxiliary classifier needs {what}", at="regularizer acgan", fix="set the discriminator's conditioning to acgan"
    )
