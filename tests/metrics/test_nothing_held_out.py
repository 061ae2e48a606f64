"""Evaluators of tasks where nothing is held out: no training example is scored in its place."""

from types import SimpleNamespace

import numpy as np
import pytest

from ganworks.kinds.audio.vocoder.evaluator import VocoderEvaluator
from ganworks.kinds.images.inpainting.evaluator import InpaintingEvaluator
from ganworks.kinds.images.pairs.evaluator import PairEvaluator
from ganworks.kinds.images.restoration.evaluator import RestorationEvaluator


@pytest.mark.parametrize("kind", [VocoderEvaluator, InpaintingEvaluator, PairEvaluator, RestorationEvaluator])
def test_nothing_held_out_gives_no_score_and_says_what_is_needed(kind, tmp_path):
    evaluator = kind.__new__(kind)
    evaluator.data = SimpleNamespace(held=np.arange(0), train=np.arange(9))
    report = evaluator.evaluate({}, count=10, seed=0, pictures=tmp_path, progress=print, about={"seen": 3})
    assert report.metrics == {} and report.about == {"seen": 3}
    assert report.warnings[0].startswith("No ") and "scores need 1" in report.warnings[0]
