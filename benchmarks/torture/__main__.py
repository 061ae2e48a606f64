"""`python benchmarks/torture [CLASS ...]`; see `run`."""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    sys.exit(import_module("torture.run").main())
