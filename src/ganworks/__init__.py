"""ganworks: train a GAN on your data, know how good it is, use it anywhere.

The verbs: `train` (events), `fit` (a progress bar and a model), `load`, `apply`, `predict`, `evaluate`, `look`,
`compare`; and what `fit` and `load` return: `Model`, `Applier`, `Predictor`. Nothing else is promised. They are
imported when first used, so that `import ganworks` is instant.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganworks.api import Applier, Model, Predictor, apply, compare, evaluate, fit, load, look, predict, train
    from ganworks.kinds.tables.estimator import TableModel

# Idle threads of the OpenMP runtime in torch spin; when another program takes a core, all threads spin until the one
# that lost it returns. Measured on two cores beside one busy process: 23 GFLOP/s, with this 270 and more.
# It is read when torch is first imported; a value that the user has set stays.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
__all__ = [
    "Applier",
    "Model",
    "Predictor",
    "TableModel",
    "__version__",
    "apply",
    "compare",
    "evaluate",
    "fit",
    "load",
    "look",
    "predict",
    "train",
]

_OF_API = {*__all__} - {"TableModel", "__version__"}


if not TYPE_CHECKING:  # a checker follows the imports above, and finds a name that is not there

    def __getattr__(name: str) -> Any:
        if name in _OF_API:
            return getattr(importlib.import_module("ganworks.api"), name)
        if name == "TableModel":
            return importlib.import_module("ganworks.kinds.tables.estimator").TableModel
        raise AttributeError(f"module 'ganworks' has no attribute {name!r}")
