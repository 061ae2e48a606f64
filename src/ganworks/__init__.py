"""ganworks: train a GAN on your data, know how good it is, use it anywhere.

The verbs: `train` (events), `fit` (a progress bar and a model), `load`, `apply`, `predict`,
`evaluate`, `look`. Nothing else is promised. They are imported when first used: `import ganworks` is instant.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# Threads of the OpenMP runtime that torch brings wait in a busy loop; when another program needs a core, all of them
# wait for the one that lost it. Measured on two cores beside one busy process: 23 GFLOP/s, with this 270 and more.
# It is read when torch is first imported; a value that the user has set stays.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
__all__ = ["TableModel", "__version__", "apply", "evaluate", "fit", "load", "look", "predict", "train"]

_VERBS = {"train", "fit", "load", "apply", "predict", "evaluate", "look"}


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(importlib.import_module("ganworks.api"), name)
    if name == "TableModel":
        return importlib.import_module("ganworks.kinds.tables.estimator").TableModel
    raise AttributeError(f"module 'ganworks' has no attribute {name!r}")
