"""The evaluator of samples where there is next to nothing to compare them with."""

from types import SimpleNamespace

import numpy as np

from ganworks.use.sample_evaluator import SampleEvaluator


def test_too_few_held_out_examples_give_no_score_and_say_how_many_are_needed(tmp_path):
    evaluator = SampleEvaluator(SimpleNamespace(held=np.arange(3)), None, None, print)
    report = evaluator.evaluate({}, count=10, seed=0, pictures=tmp_path, progress=print, about={"seen": 5})
    assert report.to_dict()["metrics"] == {} and report.about == {"seen": 5}
    assert report.warnings == [
        "Only 3 examples are held out; scores need 10. Train on more data, or with a larger held_out."
    ]
