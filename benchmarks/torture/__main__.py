"""`python benchmarks/torture [CLASS ...]`; see `run`."""

import os
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: forked processes have no threads
    sys.path[0] = str(Path(__file__).parents[1])
    sys.exit(import_module("torture.run").main())
