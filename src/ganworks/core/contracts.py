"""The contracts between the parts of a training: every hook with its shapes, its units, and when it is called.

A domain opens data and makes batches, networks are built for it, a game says who minimises what, an evaluator says how
good the result is. A hook that only some domains have is a small protocol of its own: shared code asks
`isinstance(domain, MakesFiles)`, or takes the default from one of the functions at the end. No class inherits from
these protocols; having their members is enough.

Network values are float32 with spec.low and spec.high of the data at -1 and 1. `options` map
names that the domain lists to the values that the user wrote. Wrong use raises UsageError. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from PIL.Image import Image
    from torch import Tensor, nn

    from ganworks.core.spec import Batch, Draw, Spec

Nets = dict[str, Any]  # player -> nn.Module; Any, as players have members that only their game knows
Terms = dict[str, "Tensor"]  # name -> [B]; the sum of their means is minimised, a name with "_" first is only shown
LossFn = Callable[[Nets, "Batch"], Terms]  # what the players of one turn minimise
Turn = tuple[tuple[str, ...], LossFn]  # (players that are updated, their loss)
Watched: TypeAlias = "Tensor | tuple[Tensor, Tensor]"  # outputs [n, ...], and their classes [n] where there are any
Work = Callable[[str, int, int], None]  # is told how far preparation is: (label, done, total)
Progress = Callable[[int, int], None]  # is told how far preparation is: (done, total)
Scores = tuple[dict[str, float], dict[str, float], str]  # scores, those of real data, extractor's key or ""


# Training -------------------------------------------------------------------------------------------------------


@runtime_checkable
class Networks(Protocol):
    """Settings of the players: a frozen dataclass of plain values, written into runs and published files."""

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New players by name, initialised from torch's global generator, which the caller has seeded.

        Called for a training, and when a published file is read. A generator of samples has `z_dim` and maps
        (z [B, z_dim], y [B] int64 or None) to [B, *spec.shape].
        """


@runtime_checkable
class NamesUses(Protocol):
    """Networks that publish players other than G, or players for another use than sampling; see `uses_of`."""

    @property
    def makes(self) -> dict[str, str]:
        """Player -> "sample", "apply" or "predict"; the main player stands first."""


@runtime_checkable
class Game(Protocol):
    """Who moves, in which order, and what each minimises: a frozen dataclass of plain values."""

    def turns(self, step: int, progress: float) -> Iterator[Turn]:
        """The turns of one step, in order. progress: the fraction of the budget that is spent, 0 to 1."""


@runtime_checkable
class ActsAfterTurns(Protocol):
    """A game that acts after a turn's update, for instance by clipping weights."""

    def after(self, nets: Nets, players: tuple[str, ...]) -> None:
        """Change `nets` in place. players: those that were updated."""


@runtime_checkable
class HasPhases(Protocol):
    """A game whose turns change with progress; see `phases_of`."""

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget at which a phase begins, ascending from 0.0; speed is measured in each phase."""


# Data -----------------------------------------------------------------------------------------------------------


class Dataset(Protocol):
    """Opened data. Two data sets of the same content have the same fingerprint and the same split."""

    @property
    def spec(self) -> Spec:
        """What one example is."""

    @property
    def train(self) -> np.ndarray:
        """Indices [n] int64 of examples to train on."""

    @property
    def held(self) -> np.ndarray:
        """Indices [m] int64 of examples that are never trained on."""

    @property
    def fingerprint(self) -> str:
        """A hash of the content; a run is resumed and evaluated only with data of the same fingerprint."""

    @property
    def summary(self) -> dict[str, Any]:
        """Plain facts for run.json and `ganworks data`: "count", "notes", ..."""

    def __len__(self) -> int:
        """Number of examples."""


@runtime_checkable
class HasLabels(Protocol):
    """A data set with classes (labels: [N] int64, or None), or a domain with the setting `labels`."""

    labels: Any


@runtime_checkable
class HasUnseen(Protocol):
    """Unpaired data of two sides, whose batches hold training examples only."""

    def unseen(self, which: Any, count: int = 10_000) -> np.ndarray:
        """Up to `count` held-out examples [n, *shape] of the side "source" or "target", as on disk."""


class Domain(Protocol):
    """What the data is: a frozen dataclass of the settings for reading it, written into runs and published files."""

    def open(self, path: Any, *, on_progress: Progress | None = None) -> Dataset:
        """Read a path or an object in memory. Called before the recipe, by `eval` and by `ganworks data`."""

    def batch(self, data: Any, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """Network values of the examples at `indices` [B], augmented with `draw` alone.

        "x" [B, *spec.shape], "y" [B] int64 with classes, "src" [B, *spec.source] for networks that are given
        something, and whatever else the game asks for.
        """

    def evaluator(self, data: Any, source: Any, config: Any, work: Work) -> Evaluator:
        """What scores this training. data: opened. source: what it was opened from. config: a `Config`."""


@runtime_checkable
class LooksAtData(Protocol):
    """A domain with its own answer to `ganworks data PATH`; the data of others is opened and summarised."""

    def look(self, path: Any, on_progress: Progress | None = None) -> Any:
        """The `use.findings.Findings` of a source."""


@runtime_checkable
class SkipsUnreadable(Protocol):
    """A domain that can leave out items that it cannot read."""

    @property
    def on_corrupt(self) -> str:
        """ "skip" leaves out what cannot be read; "error" refuses the data."""


@runtime_checkable
class ShowsExamples(Protocol):
    """A domain that draws examples as one picture, for `samples/` of a run and for `ganworks data`."""

    def show(self, x: Tensor | np.ndarray, columns: int | None = None, labels: Sequence[Any] | None = None) -> Image:
        """x [n, *spec.shape]: tensors in network values, arrays as on disk. labels: captions [n].

        Raises UsageError where examples alone cannot be drawn.
        """


@runtime_checkable
class ShowsMany(Protocol):
    """A domain that shows another number of samples in one picture than a grid does; see `showing_of`."""

    @property
    def showing(self) -> int:
        """The number of samples in one picture."""


# Scores ---------------------------------------------------------------------------------------------------------


class Evaluator(Protocol):
    """Shows, scores and evaluates the published players; prepared once for a training or an `eval`."""

    objective: str
    """The score that the kept snapshot minimises, or with "-" before the name maximises; "": the newest is kept."""

    @property
    def noise(self) -> float | None:
        """Differences of the objective up to this one are chance; None: up to a tenth of the best score."""

    @property
    def ready(self) -> bool:
        """Whether enough examples are held out to score with."""

    def examples(self) -> Watched | None:
        """Real outputs that the check for mode collapse compares with `sample`; None: no check."""

    def sample(self, nets: Nets) -> Watched | None:
        """Generated outputs in the units of `examples`; nothing is drawn from the global generators."""

    def show(self, nets: Nets) -> Any:
        """Outputs for people to look at: a PIL picture, or (suffix, content) of another file: (".txt", b"...")."""

    def score(self, nets: Nets) -> Scores:
        """Quick scores during a training; only called when `ready`."""

    def costs(self, nets: Nets) -> tuple[float, float]:
        """Seconds of one `score` and of one `show`, measured before a training to plan how often."""

    def evaluate(
        self, nets: Nets, *, count: int, seed: int, pictures: Path, progress: Work, about: dict[str, Any]
    ) -> Any:
        """The full evaluation on `count` samples; its `to_dict()` is eval.json. pictures: the folder for them."""


@runtime_checkable
class ChoosesExtractor(Protocol):
    """An evaluator that can measure with other features than its default: `eval RUN features=NAME`."""

    @property
    def extractors(self) -> tuple[str, ...]:
        """Names of the feature extractors that fit this data, the default first."""

    def with_extractor(self, name: str) -> Evaluator:
        """The same evaluator with the extractor of that name; a published network too. UsageError for others."""


@runtime_checkable
class ExtractsFeatures(Protocol):
    """A domain with a feature extractor of its own, for `use.sample_evaluator.SampleEvaluator`."""

    def extractor(self, dataset: Any, cache: Path | None = None, on_progress: Work | None = None) -> Any:
        """A `metrics.features.FeatureExtractor`. cache: the folder that keeps a trained one."""


# Use of what was trained ----------------------------------------------------------------------------------------


@runtime_checkable
class HasOptions(Protocol):
    """A domain whose networks take options when they are used."""

    @property
    def options(self) -> Mapping[str, str]:
        """Name -> meaning, shown to users."""


@runtime_checkable
class PreparesNetwork(HasOptions, Protocol):
    """A domain whose generator samples under options, such as a temperature."""

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """A generator of spec.shape under these options; `net` is not changed. Called once for all samples."""


@runtime_checkable
class MakesFiles(Protocol):
    """What writes samples as files of their kind: a domain, or `use.samples.Pictures`."""

    @property
    def forms(self) -> tuple[str, ...]:
        """Suffixes that `encode` knows, the usual one first."""

    @property
    def each(self) -> str:
        """The suffix of a sample's own file, in a folder or zip; "" when all samples belong in one file."""

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """All `use.samples.Samples` as the bytes of one file: the same bytes for the same samples."""


@runtime_checkable
class DecodesSamples(Protocol):
    """A domain whose samples are not pictures: texts, a table, sounds."""

    def decode(self, samples: Any) -> Any:
        """`use.samples.Samples.items`: a list with one entry for each sample, or one table of all."""


@runtime_checkable
class ChangesPictures(Protocol):
    """A domain whose network turns pictures into pictures."""

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """x [1, C, H, W] of any size -> [1, C', H', W'], both in -1 to 1, on the device of `net`, without gradients.

        Random numbers come from torch's global generator, which is seeded.
        """


@runtime_checkable
class KnowsChannels(Protocol):
    """A domain whose network takes pictures with another number of channels than its spec says."""

    def channels_of(self, spec: Spec) -> int | None:
        """The number of channels that `apply` takes; None: any."""


@runtime_checkable
class KeepsGrey(Protocol):
    """A domain whose result shows the same picture as its input."""

    @property
    def keeps_grey(self) -> bool:
        """Whether a grey picture has a grey result."""


@runtime_checkable
class ChangesFiles(Protocol):
    """A domain whose network turns files other than pictures into files."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Suffixes of its inputs."""

    @property
    def gives(self) -> str:
        """The suffix of its outputs."""

    def change(
        self,
        net: nn.Module,
        spec: Spec,
        content: bytes,
        name: str,
        *,
        seed: int,
        options: dict[str, Any],
        note: dict[str, Any] | None,
    ) -> bytes | tuple[bytes, str]:
        """The bytes of the output, or a pair of them and a sentence for the user.

        Random numbers come from torch's global generator, which is seeded. note: goes into the file's metadata; None:
        the file stays unmarked.
        """


@runtime_checkable
class ChangesArrays(Protocol):
    """A domain of files whose network also takes arrays."""

    def change_array(self, net: nn.Module, spec: Spec, array: Any, *, options: dict[str, Any]) -> Any:
        """An array like the input's content -> one like the output's."""


@runtime_checkable
class Classifies(Protocol):
    """A domain whose network names the class of a picture."""

    def converter(self, spec: Spec, source: Any) -> Callable[..., Any]:
        """(item of the source, its name) -> an object with `array` [C, H, W] as on disk; called once for a source."""

    def predict(self, net: nn.Module, x: Tensor) -> Tensor:
        """x [N, *spec.shape] in network values -> probabilities [N, K], rows of sum 1, without gradients."""


# Defaults of optional hooks -------------------------------------------------------------------------------------


def uses_of(networks: Any) -> dict[str, str]:
    """Published player -> its use, the main one first; by default G makes samples."""
    return networks.makes if isinstance(networks, NamesUses) else {"G": "sample"}


def phases_of(game: Any) -> tuple[float, ...]:
    """Fractions of the budget at which a phase begins; by default there is one phase."""
    return game.phases if isinstance(game, HasPhases) else (0.0,)


def labels_of(thing: Any) -> Any:
    """The labels of a data set, or the setting of a domain; None where there is no such thing."""
    return thing.labels if isinstance(thing, HasLabels) else None


def showing_of(domain: Any, grid: int) -> int:
    """The number of samples in one picture; `grid` unless the domain says otherwise."""
    return domain.showing if isinstance(domain, ShowsMany) else grid


def sampling_options(domain: Any) -> dict[str, str]:
    """Name -> meaning of the options that `prepare` takes; empty by default."""
    return dict(domain.options) if isinstance(domain, PreparesNetwork) else {}


def facts_for_card(domain: Any) -> dict[str, Any]:
    """What a published file says of the use of its network: options, and the files that it makes, takes and gives."""
    makes, changes = isinstance(domain, MakesFiles), isinstance(domain, ChangesFiles)
    return {
        "options": dict(domain.options) if isinstance(domain, HasOptions) else {},
        "forms": list(domain.forms) if makes else [],
        "each": domain.each if makes else "",
        "takes": list(domain.takes) if changes else [],
        "gives": domain.gives if changes else "",
    }
