"""Semi-supervised classification, from few labels and many images without: a classifier C and, in some variants, a G.

"gan": Salimans et al. 2016 (1606.03498), section 5. C's K logits stand for K + 1 classes, of which the last,
"generated", has the logit 0: with Z the sum of exp(logits), the probability of being real is Z / (Z + 1). G is trained
by feature matching. "consistency": FixMatch (Sohn et al. 2020, 2001.07685): a confident prediction for an image must
hold for another view of it. "both": all of these terms. "supervised": the labels alone, the baseline of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, check, within
from ganworks.core.spec import Batch, Spec
from ganworks.games.teachers import keys_of, load_all
from ganworks.kinds.images.classification.probe import ProbeClassifier
from ganworks.kinds.images.classification.views import view
from ganworks.pretrained.load import Loaded

Variant = Literal["gan", "consistency", "both", "supervised"]


def realness(logits: Tensor) -> Tensor:
    """Logit [B] of being real under the K + 1 classes: log Z, as D = Z / (Z + 1) = sigmoid(log Z)."""
    return logits.float().logsumexp(1)


def real_loss(logits: Tensor) -> Tensor:
    """-log D [B]: minus the log of the probability of the first K of the K + 1 classes."""
    return F.softplus(-realness(logits))


def fake_loss(logits: Tensor) -> Tensor:
    """-log(1 - D) [B]: minus the log of the probability of the class "generated"."""
    return F.softplus(realness(logits))


def label_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy [B] of logits [B, K] and labels y [B]: the K classes, given that the example is real."""
    return F.cross_entropy(logits.float(), y, reduction="none")


def entropy(logits: Tensor) -> Tensor:
    """Entropy [B] in nats of the K classes: low where C is confident (Grandvalet and Bengio 2005)."""
    logs = logits.float().log_softmax(1)
    return -(logs.exp() * logs).sum(1)


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Mean squared difference of the mean features of real and generated images (1606.03498, section 3.1).

    real, fake: [B, F]. Returns [B], the same value in each row.
    """
    return (real.float().mean(0) - fake.float().mean(0)).square().mean().expand(len(fake))


def sure_loss(weak: Tensor, strong: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the strong view with the weak view's confident prediction (2001.07685, equation 4).

    weak, strong: logits [B, K]. Returns (losses [B], mask [B] as floats); both are 0 where the probability of the weak
    view's prediction is below `confidence`.
    """
    chance, answer = weak.detach().float().softmax(1).max(1)
    mask = (chance >= confidence).float()
    return label_loss(strong, answer) * mask, mask


def balance_loss(logits: Tensor, prior: Tensor) -> Tensor:
    """KL divergence in nats of the batch's mean prediction from the expected shares: [B], the same value in each row.

    Without it a class that the few labels represent badly can merge into a similar one, as C's predictions reinforce
    themselves. It is the fairness term of CatGAN (Springenberg 2015, 1511.06390, equation 6) for given shares. logits:
    [B, K]; prior: [B, K], the expected shares in each row.
    """
    mean, wanted = logits.float().softmax(1).mean(0), prior.float().mean(0)
    return torch.special.xlogy(wanted, wanted / mean.clamp_min(1e-8)).sum().expand(len(logits))


@dataclass(frozen=True)
class SemiSupervised:
    """Settings of the game. Reads x (all images), xl and y (labelled ones) and prior of a batch.

    variant: how C learns from unlabelled images, and whether there is a generator.
    realness: weight of the terms that tell real from generated images.
    consistency: weight of the consistency term, which asks for the same prediction on another view of an image.
    entropy: weight of the entropy term, which asks for confident predictions on unlabelled images.
    balance: weight of the balance term, which asks that the classes be as frequent among all images as among the
        labelled ones; set it to 0 where the labels were not drawn that way.
    confidence: the probability from which C's own prediction on an image counts.
    matching: what G is trained on, C's mean features or C's realness.
    strength: strength of the random views that C sees of unlabelled images (0: as they are).
    label_strength: strength of the random views that C sees of labelled images (0: as they are).
    features: a published network, by name or file, on whose frozen features C is a linear layer; "": C learns all.
    """

    keeps_teachers: ClassVar[bool] = True  # C is published with the network that it looks through

    variant: Variant = "consistency"
    realness: Annotated[float, within(0, 1000)] = 1.0
    consistency: Annotated[float, within(0, 1000)] = 1.0
    entropy: Annotated[float, within(0, 1000)] = 0.0
    balance: Annotated[float, within(0, 1000)] = 1.0
    confidence: Chance = 0.95
    matching: Literal["features", "realness"] = "features"
    strength: Annotated[float, within(0, 1000)] = 1.0
    label_strength: Annotated[float, within(0, 1000)] = 0.5
    features: str = ""

    def __post_init__(self) -> None:
        check(self)

    @cached_property
    def teachers(self) -> tuple[Loaded, ...]:
        """The network that C looks through, if any. Raises UsageError for several."""
        found = load_all(self.features)
        if len(found) > 1:
            raise UsageError(f"features={self.features} names {len(found)} networks; a classifier looks through one.")
        return found

    def taught_by(self, spec: Spec) -> dict[str, str]:
        """Key -> SHA-256 of that network; see `core.teaching.LearnsFromNetworks`."""
        return keys_of(self.teachers, spec)

    def players(self, spec: Spec) -> dict[str, nn.Module]:
        """{"C": ProbeClassifier} where it looks through a network, else {}."""
        keys_of(self.teachers, spec)
        return {"C": ProbeClassifier(deepcopy(self.teachers[0].net), spec)} if self.teachers else {}

    @property
    def plays(self) -> bool:
        """Whether there is a generator in this variant."""
        return self.variant in ("gan", "both")

    @property
    def consists(self) -> bool:
        """Whether predictions on views of unlabelled images have to agree in this variant."""
        return self.variant in ("consistency", "both")

    def alone(self) -> SemiSupervised:
        """The baseline of this game: training on the labels alone."""
        return replace(self, variant="supervised")

    def turns(self, step: int, progress: float = 0.0) -> Iterator[tuple[tuple[str, ...], Any]]:
        """C, then G where there is one."""
        yield ("C",), self.classifier_turn
        if self.plays:
            yield ("G",), self.generator_turn

    def classifier_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """C's terms, each [B]: label and, by variant and weight, consistency, d_real, d_fake, entropy and balance."""
        C, parts = nets["C"], {"label": view(batch["xl"], batch.draw, self.label_strength)}
        if self.consists:
            parts["strong"] = view(batch["x"], batch.draw, self.strength)
        if self.plays:
            parts["real"] = batch["x"]
            with torch.no_grad():
                parts["fake"] = nets["G"](batch.draw.normal(nets["G"].z_dim)).to(batch["x"].dtype)
        logits = C(torch.cat(list(parts.values()))).split([len(p) for p in parts.values()])
        answers = dict(zip(parts, logits, strict=True))
        terms = {"label": label_loss(answers["label"], batch["y"])}
        if self.consists:
            with torch.no_grad():
                weak = answers["real"] if self.plays else C(batch["x"])
            loss, mask = sure_loss(weak, answers["strong"], self.confidence)
            terms |= {"consistency": self.consistency * loss, "_sure": mask}
        if self.plays:
            terms |= self._playing(answers["real"], answers["fake"])
        if self.entropy and self.variant != "supervised":
            terms["entropy"] = self.entropy * entropy(answers.get("real", answers.get("strong")))
        if self.balance and self.consists:
            terms["balance"] = self.balance * balance_loss(answers["strong"], batch["prior"])
        return terms

    def _playing(self, real: Tensor, fake: Tensor) -> Terms:
        return {
            "d_real": 0.5 * self.realness * real_loss(real),
            "d_fake": 0.5 * self.realness * fake_loss(fake),
            "_real": realness(real).detach(),
            "_fake": realness(fake).detach(),
        }

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """G's term [B]: feature matching, or minus the log of C's probability of being real."""
        C, G = nets["C"], nets["G"]
        made = G(batch.draw.normal(G.z_dim))
        if self.matching == "realness":
            return {"g_loss": real_loss(C(made))}
        with torch.no_grad():
            real = C.features(batch["x"])
        return {"g_loss": feature_distance(real, C.features(made))}
