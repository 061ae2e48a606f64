"""A small classifier trained on the labels of the data, used as a feature extractor that needs no download.

It is trained on the training split only, in seconds, on one thread, so that a seed gives the same weights whatever
number of threads is allowed. It is stored as safetensors by (data fingerprint, split, recipe version). Its 64 features
before the last layer serve to compare samples, its predictions to check requested labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.adam import adam

from ganworks.core.chance import untouched_random_state
from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.plain import read_json
from ganworks.core.spec import Spec, key
from ganworks.files import weights
from ganworks.metrics.features import (
    NEEDS,
    FeatureExtractor,
    Identity,
    MetricDataset,
    Progress,
    RandomConv,
    choices,
    fit_inside,
    hash_state,
    in_batches,
    to_unit,
)

RECIPE = 1  # increase it with any change that alters the trained weights
DIM, SIDE, BATCH = 64, 64, 128


class ClassifierNet(nn.Module):
    """3x3 convolutions with batch norm that halve the image down to 4 px, then 64 features and the class logits.

    Takes float32 [B, C, H, W] in [-1, 1] of any size. Images with a side above 64 px are shrunk, and large images start
    with a stride, so that a 64 px image costs about as much as a 32 px one.
    """

    def __init__(self, shape: tuple[int, ...], classes: int):
        super().__init__()
        channels, *size = shape
        height, width = fit_inside(torch.empty(1, 1, *size), SIDE).shape[-2:]
        layers: list[nn.Module] = []
        inside = 16 if min(height, width) > 8 else 32
        stride = 2 if max(height, width) > 40 else 1
        while True:
            layers += [
                nn.Conv2d(channels, inside, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(inside),
                nn.ReLU(),
            ]
            height, width = -(-height // stride), -(-width // stride)
            channels, inside, stride = inside, min(2 * inside, 64), 1
            if max(height, width) <= 4:
                break
            pool = (2 if height > 4 else 1, 2 if width > 4 else 1)
            layers.append(nn.MaxPool2d(pool))
            height, width = height // pool[0], width // pool[1]
        self.body = nn.Sequential(*layers)
        self.features = nn.Linear(channels * height * width, DIM)
        self.head = nn.Linear(DIM, classes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images -> (features [B, 64] after ReLU, with mean variance 1 on training data; logits [B, classes])."""
        hidden = F.relu(self.features(self.body(fit_inside(x, SIDE)).flatten(1)))
        return hidden * self.scale, self.head(hidden)


def _ready(net: ClassifierNet, device: str) -> None:
    """Move to the device, filters in channels_last, which takes half the time of the default order on a CPU."""
    net.to(device)
    for weight in net.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


class Classifier:
    """A trained `ClassifierNet` as a `FeatureExtractor` that also predicts labels.

    accuracy: on held-out examples; nan if there are none.
    """

    dim = DIM

    def __init__(self, net: ClassifierNet, spec: Spec, fingerprint: str, accuracy: float, device: str = "cpu"):
        self.net = net.eval().requires_grad_(False)
        self.spec, self.accuracy, self.device = spec, accuracy, device
        self.name, self.sha256 = f"clf-{fingerprint[:8]}", hash_state(net)
        _ready(self.net, device)

    @torch.no_grad()
    def both(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features float32 [n, 64] and class probabilities float32 [n, classes] in one pass."""
        features = [np.empty((0, DIM), np.float32)]
        chances = [np.empty((0, self.spec.num_classes), np.float32)]
        for x in in_batches(examples, self.spec, self.device):
            hidden, logits = self.net(x.contiguous(memory_format=torch.channels_last))
            features.append(hidden.cpu().numpy())
            chances.append(logits.softmax(1).cpu().numpy())
        return np.concatenate(features), np.concatenate(chances)

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        return self.both(examples)[0]

    def predict(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(most likely label int64 [n], class probabilities float32 [n, classes])."""
        chances = self.both(examples)[1]
        return chances.argmax(1), chances


def classifier_of(
    dataset: MetricDataset,
    cache: Path | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Classifier:
    """The classifier of labelled images: read from the cache folder, or trained now and stored there.

    Raises UsageError for data without labels and for data that are not images.
    """
    spec = dataset.spec
    if dataset.labels is None or spec.num_classes < 2 or len(spec.shape) != 3:
        raise UsageError(
            f"A classifier needs images with at least 2 classes; this data is {spec.kind} of "
            f"shape {spec.shape} with {spec.num_classes} classes. Use RandomConv features."
        )
    about = {
        "fingerprint": dataset.fingerprint,
        "split": split_hash(dataset),
        "recipe": RECIPE,
        "seed": seed,
        "spec": spec.to_dict(),
    }
    name = f"classifier-{dataset.fingerprint[:16]}-{about['split'][:8]}-r{RECIPE}-s{seed}.safetensors"
    path = None if cache is None else Path(cache) / name
    with untouched_random_state(), _one_thread():
        if path is not None and (kept := _load(path, about, spec, device)):
            return kept
        net = _train(dataset, np.asarray(dataset.labels), seed, progress, device)
    result = Classifier(net, spec, dataset.fingerprint, math.nan, device)
    held = np.random.default_rng(seed).permutation(dataset.held)[:10_000]
    if len(held):
        result.accuracy = float((result.predict(dataset.raw(held))[0] == dataset.labels[held]).mean())
    if path is not None:
        _save(path, {**about, "accuracy": result.accuracy}, net)
    return result


def extractor_for(
    dataset: MetricDataset,
    cache: Path | None = None,
    *,
    name: str = "",
    progress: Progress | None = None,
    device: str = "cpu",
) -> FeatureExtractor:
    """The extractor for a data set: a classifier for labelled images, random convolutions for unlabelled ones.

    Points and other vectors are their own features. cache: folder where the classifier is stored, or None. name: one of
    `features.choices` instead of the default, or the file or name of a published network; raises UsageError for others.
    """
    known = choices(dataset)
    if name in NEEDS and name not in known:
        raise UsageError(
            f'There are no features "{name}" for this data. They are for {NEEDS[name]}. {nearest("", known)}'
        )
    if name and name not in known:
        from ganworks.metrics.judges.pictures import PublishedFeatures
        from ganworks.pretrained.store import named

        return PublishedFeatures(dataset.spec, named(name, known), device)
    name = name or known[0]
    if name == "identity":
        return Identity(dataset.spec)
    if name == "random":
        return RandomConv(dataset.spec, device=device)
    return classifier_of(dataset, cache, progress=progress, device=device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: small batches gain little from more, and splitting a sum over threads changes its rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def split_hash(dataset: MetricDataset) -> str:
    """16 hex digits that identify which examples are held out."""
    return f"{key(dataset.fingerprint, *(int(i) for i in dataset.held)):016x}"


def _examples(count: int) -> int:
    """Number of training examples to draw: 20 passes over the data, but from 8,000 to 64,000."""
    return min(max(8_000, 20 * count), 64_000)


def _shift(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the whole batch by up to 1/14 of a side, repeating edge values."""
    reach = [max(1, round(n / 14)) for n in x.shape[-2:]]
    dy, dx = (int(torch.randint(2 * r + 1, (), generator=generator)) for r in reach)
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]), mode="replicate")
    return padded[..., dy : dy + x.shape[-2], dx : dx + x.shape[-1]]


@torch.enable_grad()
def _train(
    dataset: MetricDataset, labels: np.ndarray, seed: int, progress: Progress | None, device: str
) -> ClassifierNet:
    """Train with AdamW, a one-cycle learning rate and randomly shifted images."""
    torch.manual_seed(key("classifier", seed))
    generator = torch.Generator().manual_seed(key("classifier-data", seed))
    net = ClassifierNet(dataset.spec.shape, dataset.spec.num_classes).train()
    _ready(net, device)
    optimiser = AdamW(list(net.parameters()))
    count = len(dataset.train)
    batch = min(BATCH, max(8, count // 8))
    steps = _examples(count) // batch
    queue = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        while len(queue) < batch:
            queue = torch.cat([queue, torch.randperm(count, generator=generator)])
        rows, queue = dataset.train[np.sort(queue[:batch].numpy())], queue[batch:]
        x = _shift(to_unit(dataset.raw(rows), dataset.spec), generator)
        x = x.to(device, memory_format=torch.channels_last)
        y = torch.from_numpy(labels[rows]).long().to(device)
        net.zero_grad()
        F.cross_entropy(net(x)[1], y, label_smoothing=0.05).backward()
        optimiser.step(4e-3 * min((step + 1) / (0.2 * steps), max(0.0, (steps - step) / (0.8 * steps))))
        if progress and (step % 20 == 0 or step == steps - 1):
            progress("training the classifier for evaluation", (step + 1) * batch, steps * batch)
    _calibrate(net.eval(), dataset, generator, device)
    return net


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, 1711.05101), by torch's functional form.

    torch.optim.AdamW gives the same numbers, but its first step imports torch's compiler.
    """

    def __init__(self, params: list[nn.Parameter]):
        self.params = params
        self.means, self.squares = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]
        self.steps = [torch.tensor(0.0) for _ in params]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update from the gradients of the parameters."""
        adam(
            [*self.params],
            [p.grad for p in self.params if p.grad is not None],
            self.means,
            self.squares,
            [],
            self.steps,
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.99,
            lr=lr,
            weight_decay=0.01,
            eps=1e-8,
            maximize=False,
            decoupled_weight_decay=True,
        )


@torch.no_grad()
def _calibrate(net: ClassifierNet, dataset: MetricDataset, generator: torch.Generator, device: str) -> None:
    """Scale the features so that their mean variance on training data is 1, which makes distances comparable."""
    rows = dataset.train[np.sort(torch.randperm(len(dataset.train), generator=generator)[:4096].numpy())]
    features = torch.cat([net(x)[0].cpu() for x in in_batches(dataset.raw(rows), dataset.spec, device)])
    net.scale.fill_(float(features.double().var(0).mean().clamp(min=1e-12).rsqrt()))


def _save(path: Path, about: dict, net: ClassifierNet) -> None:
    weights.store(path, net.state_dict(), {"ganworks": json.dumps(about)})


def _load(path: Path, about: dict, spec: Spec, device: str) -> Classifier | None:
    """The stored classifier; None if it is missing, damaged or made for other data, and must be trained anew."""
    found = weights.stored(path)
    if found is None:
        return None
    net = ClassifierNet(spec.shape, spec.num_classes)
    try:
        kept = read_json(found[1].get("ganworks", "{}"), str(path))
        accuracy = float(kept.pop("accuracy"))
        if kept != about:
            return None
        net.load_state_dict(found[0])
    except (UsageError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None
    return Classifier(net, spec, str(about["fingerprint"]), accuracy, device)
