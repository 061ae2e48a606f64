"""Titles, meanings and directions of metrics: of the usual ones, and of those that a task states itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class MetricText:
    """One metric. better: whether "lower" or "higher" values, or those "near" the floor, are better.

    share: shown in per cent. judged: a classifier's opinion, whose floor is how often that is right on real data.
    scale: its values for what cannot be told from real data and for what always is, where they are known. rival: one of
    the scores of a run that ask how far all of it is from real data, of which the harshest leads its verdict.
    """

    name: str
    title: str
    better: Literal["lower", "higher", "near"]
    short: str
    long: str
    share: bool = False
    judged: bool = False
    scale: tuple[float, float] | None = None
    rival: bool = False


METRICS: dict[str, MetricText] = {
    m.name: m
    for m in (
        MetricText(
            "frechet",
            "Fréchet distance",
            "lower",
            "How far the samples are from real data, as a whole.",
            "Both sets are turned into features and summarised by their average and spread; this is the "
            "distance between the two summaries. It notices blur, wrong colours, noise and missing kinds of "
            "data. It does not notice copying.",
            rival=True,
        ),
        MetricText(
            "kernel",
            "Kernel distance",
            "lower",
            "The same question, asked in a way that is fair for few samples.",
            "Compares all pairs of features instead of a summary, so it has no bias when there are few "
            "samples. Values slightly below zero are normal and mean: no difference found.",
            rival=True,
        ),
        MetricText(
            "precision",
            "Precision",
            "higher",
            "The share of samples that look like real data.",
            "A sample counts when it lies as near to a real example as real examples lie to each other.",
            share=True,
        ),
        MetricText(
            "recall",
            "Recall",
            "higher",
            "The share of real data that the generator could have made.",
            "The mirror of precision: a real example counts when it lies near the samples.",
            share=True,
        ),
        MetricText(
            "density",
            "Density",
            "higher",
            "How firmly the samples sit where real data is common.",
            "Like precision, but steadier: a sample in a crowded place counts more. It can go above 1.",
        ),
        MetricText(
            "coverage",
            "Coverage",
            "higher",
            "The share of real data that has a sample close by.",
            "Low coverage means that the generator leaves kinds of data out, the commonest failure of a GAN.",
            share=True,
        ),
        MetricText(
            "authenticity",
            "Authenticity",
            "near",
            "Whether samples are new, or copies of the training data.",
            "The share of samples that lie further from their nearest training example than that example "
            "lies from its own neighbours. Copies push it towards 0. It should be close to what held-out "
            "real data gets.",
            share=True,
        ),
        MetricText(
            "agreement",
            "Label agreement",
            "higher",
            "How often a sample is of the class that was asked for.",
            "A classifier that was trained on real data names each sample; this is how often it names the "
            "class that the generator was asked to make.",
            share=True,
            judged=True,
        ),
        MetricText(
            "copied",
            "Near copies",
            "near",
            "The share of samples that almost repeat a training example.",
            "A sample counts when it lies nearer to a training example than halfway to that example's nearest "
            "other one, where no mixture of the two lies. It should be as rare as among real data.",
            share=True,
        ),
    )
}

_ALIASES = {
    "fd": "frechet",
    "frechet_distance": "frechet",
    "fid": "frechet",
    "kd": "kernel",
    "kid": "kernel",
    "mmd": "kernel",
    "kernel_distance": "kernel",
    "auth": "authenticity",
    "authpct": "authenticity",
    "authentic": "authenticity",
    "label_agreement": "agreement",
    "labels": "agreement",
    "copies": "copied",
}


# Metrics of sounds, texts, clips, tables and series: title, and whether they are shares. They get no grade: what is
# good depends on the data, so they are shown beside simple methods and real data.
_CALLED: dict[str, tuple[str, bool]] = {
    "recognised": ("Recognised as asked", True),
    "accuracy_score": ("Classifier accuracy score", True),
    "spread": ("Variety within a class", False),
    "nearest": ("Nearest training recording", False),
    "bleu_f": ("BLEU-4, both ways", False),
    "unique": ("Unique samples", True),
    "divergence_2": ("Divergence of pairs of tokens", False),
    "pairs": ("Pairs of columns", False),
    "shapes": ("Single columns", False),
    "relations": ("Relations between columns", False),
    "detection": ("Told from real rows", False),
    "attack": ("Membership attack", False),
    "told_by_gru": ("Told apart by a network", False),
    "told_by_trees": ("Told apart by trees", False),
    "told_apart": ("Told apart by trees, strictly", False),
    "acf_error": ("Autocorrelation error", False),
    "cross_error": ("Cross-correlation error", False),
    "marginal_ks": ("Distance of the values", False),
    "range_ks": ("Distance of the ranges", False),
    "range_coverage": ("Range covered", True),
    "length_ks": ("Distance of the lengths", False),
    "attribute_error": ("Error of attribute shares", False),
    "predictive": ("Forecast error", False),
    "label_accuracy": ("Label accuracy", True),
    "clip_kd": ("Kernel distance of clips", False),
    "frame_kd": ("Kernel distance of frames", False),
    "elbo": ("Bound on the log-likelihood", False),
    "kl": ("Information in a code", False),
    "reconstruction_error": ("Error of reconstructions", True),
    "change": ("Change from frame to frame", False),
    "returns": ("Swings back", True),
    "nearness": ("Nearest training clip", False),
}


_JUDGED = ("recognised",)
_SCALES = {"told_by_gru": (0.0, 0.5), "told_by_trees": (0.0, 0.5), "told_apart": (0.0, 0.5), "detection": (0.5, 1.0)}
_RIVALS = (*_SCALES, "pairs", "relations", "clip_kd", "frame_kd", "stats")


def metric_for(key: str) -> MetricText:
    """The metric that "fd/clf-mnist@ab12" or "kid[vgg16:397923af]" names; an unknown one is shown without a grade."""
    base = re.split(r"[/@[]", key, maxsplit=1)[0].strip().lower().replace(" ", "_").replace("-", "_")
    if known := METRICS.get(_ALIASES.get(base, base)):
        return known
    title, share = _CALLED.get(base, (title_of(key), False))
    return MetricText(base, title, "near", "", "", share, base in _JUDGED, _SCALES.get(base), base in _RIVALS)


_SHORT = {"l1", "l2", "kid", "fid", "psnr", "ssim", "lpips", "ece", "mae", "rmse", "bleu", "f1", "auc", "f0", "stft",
          "tstr", "kd", "fd", "acf", "ks"}  # fmt: skip


def title_of(key: str) -> str:
    """ "gradient_energy" -> "Gradient energy"; abbreviations are written in capitals."""
    names = key.split("/", maxsplit=1)[0][:60].replace("_", " ").split()
    shown = " ".join(n.upper() if n.lower() in _SHORT else {"miou": "mIoU", "iou": "IoU"}.get(n, n) for n in names)
    shown = re.sub(r"(?<=BLEU|inct) (?=\d)|(?<=self) (?=BLEU)", "-", shown)
    return shown[:1].upper() + shown[1:] if not shown.startswith("mIoU") else shown


def stated(key: str, item: Mapping[str, Any]) -> MetricText:
    """The metric of a task as its evaluation describes it; one that is known keeps its title and its grades."""
    known, meaning = metric_for(key), str(item.get("meaning") or "")
    sides: dict[str, Literal["lower", "higher"]] = {"lower": "lower", "higher": "higher"}
    if known.name in METRICS:
        return replace(known, short=meaning or known.short, long="" if meaning else known.long)
    return replace(known, better=sides.get(str(item.get("better")), "near"), short=meaning)
