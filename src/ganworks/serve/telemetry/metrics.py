"""Counts and measures of the service, in the text format of Prometheus (version 0.0.4).

The format is a dozen lines of text, of which this uses counters, gauges and histograms. The client library for it keeps
its metrics in a registry of the whole process and starts threads and servers of its own; nothing of that is needed
here, and it would be a dependency of every service.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MOST = 2000  # label sets of one metric: labels come from lists that are finite, and this holds them to it

Labels = tuple[str, ...]


class Counter:
    """Counts that only rise. name and help: as shown. labels: their names."""

    kind = "counter"

    def __init__(self, name: str, help_: str, labels: Labels = ()):
        self.name, self.help, self.labels = name, help_, labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count up for these values of the labels."""
        if labels in self.values or len(self.values) < _MOST:
            self.values[labels] = self.values.get(labels, 0.0) + by

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        for labels, value in self.values.items():
            yield f"{self.name}{_labels(self.labels, labels)} {_number(value)}"


class Gauge(Counter):
    """Values that rise and fall."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """The value for these values of the labels."""
        if labels in self.values or len(self.values) < _MOST:
            self.values[labels] = value


class Histogram:
    """How many values lie below each bound. bounds: rising."""

    kind = "histogram"

    def __init__(self, name: str, help_: str, bounds: tuple[float, ...], labels: Labels = ()):
        self.name, self.help, self.labels, self.bounds = name, help_, labels, bounds
        self.values: dict[Labels, tuple[list[int], list[float]]] = {}

    def see(self, value: float, *labels: str) -> None:
        """Count a value for these values of the labels."""
        if labels not in self.values and len(self.values) >= _MOST:
            return
        counts, total = self.values.setdefault(labels, ([0] * (len(self.bounds) + 1), [0.0]))
        counts[bisect.bisect_left(self.bounds, value)] += 1
        total[0] += value

    def lines(self) -> Iterable[str]:
        """The samples as text."""
        for labels, (counts, total) in self.values.items():
            below = 0
            for bound, count in zip((*self.bounds, math.inf), counts, strict=True):
                below += count
                yield f"{self.name}_bucket{_labels((*self.labels, 'le'), (*labels, _number(bound)))} {below}"
            yield f"{self.name}_sum{_labels(self.labels, labels)} {_number(total[0])}"
            yield f"{self.name}_count{_labels(self.labels, labels)} {below}"


Metric = Counter | Histogram


def text(metrics: Iterable[Metric]) -> bytes:
    """All metrics in the text format."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
    return ("\n".join(lines) + "\n").encode()


class Meters:
    """The metrics of the service itself. The engine adds its own: see `telemetry.health`."""

    def __init__(self) -> None:
        by = ("route", "method", "status", "model")
        self.requests = Counter("ganworks_requests_total", "Requests that were answered.", by)
        self.seconds = Histogram("ganworks_request_seconds", "Time to answer a request.", SECONDS, ("route",))
        self.samples = Counter("ganworks_results_total", "Results that were asked for and given.", ("model",))
        self.units = Counter("ganworks_cost_units_total", "Cost units that were used.", ("model",))
        self.open = Gauge("ganworks_requests_in_flight", "Requests that are being answered.")
        self.shed = Counter(
            "ganworks_requests_shed_total", "Requests refused as busy before they were read.", ("model",)
        )
        self.lost = Counter("ganworks_audit_lines_lost_total", "Lines of the audit log that could not be written.")

    def all(self) -> list[Metric]:
        """In the order in which they are shown."""
        return [self.requests, self.seconds, self.samples, self.units, self.open, self.shed, self.lost]


def gauges(values: Mapping[str, tuple[str, float]]) -> list[Metric]:
    """Gauges without labels: name -> (help, value)."""
    made: list[Metric] = []
    for name, (help_, value) in values.items():
        gauge = Gauge(name, help_)
        gauge.set(value)
        made.append(gauge)
    return made


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else f"{value:.10g}"
