"""The metrics of the panel by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ganworks.core.chance import untouched_random_state
from ganworks.core.errors import UsageError, nearest
from ganworks.metrics.panel import classes, patches, paths, structure
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.tasks import Measurement

PANEL: dict[str, Callable[[Examined], dict[str, Measurement]]] = {
    "swd": patches.wasserstein,
    "ms_ssim": structure.similarity,
    "is": classes.score,
    "kid_by_class": classes.kernel_by_class,
    "cas": classes.accuracy_score,
    "ppl": paths.path_length,
}


def chosen(text: str) -> tuple[str, ...]:
    """ "swd,is" -> ("swd", "is"); "all": every name. Raises UsageError for a name that there is not."""
    names = tuple(dict.fromkeys(word.strip().lower().replace("-", "_") for word in text.split(",") if word.strip()))
    if names == ("all",):
        return tuple(PANEL)
    for name in names:
        if name not in PANEL:
            raise UsageError(f'metrics: there is no "{name}". {nearest(name, [*PANEL, "all"])}')
    return names


def measure(
    names: Sequence[str], examined: Examined, *, skip: bool = False
) -> tuple[dict[str, Measurement], list[str]]:
    """(measurements by name, why others do not apply). skip: leave those out that do not apply, else UsageError."""
    found: dict[str, Measurement] = {}
    left: list[str] = []
    with untouched_random_state():
        for name in names:
            try:
                found |= PANEL[name](examined)
            except UsageError as error:
                if not skip:
                    raise
                left.append(str(error))
    return found, left
