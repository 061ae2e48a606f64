"""What an audit may look at in recordings: spectra, loudness, silence, labels, folders."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.audit.evidence import Evidence, Rows
from ganworks.files.packing.exclusions import item_name, sha256_of
from ganworks.files.packing.joined import contents
from ganworks.kinds.audio.spectral import stft

_FRAMES, _BANDS, _TIMES, _SILENT = 512, 32, 8, 1e-3
_ROOM = 600_000_000  # samples that are looked at


def evidence_of(data: Any, source: Any) -> Evidence:
    """The evidence of an opened `WaveSet` and its source."""
    held = np.zeros(len(data), bool)
    held[data.held] = True
    bad = {name for name, _ in data.facts["corrupt"]}
    kept = [i for i in range(len(source)) if source.name(i) not in bad] if bad else range(len(source))
    of = [int(kept[number]) for number in data.rows[:, 0]]
    pieces = len(data.rows) > len(data.lengths)
    names = [source.name(i) for i in of]
    folders = [name.rpartition("/")[0] for name in names]

    def name(row: int) -> str:
        own = item_name(source, of[row])
        return f"{own} from {data.rows[row, 1] / data.rate:.2f} s" if pieces else own

    return Evidence(
        "recordings",
        len(data),
        name,
        lambda row: sha256_of(source.get(of[row])),
        contents(data.hashes, data.rows),
        held,
        data.labels,
        data.classes,
        {"folder": folders} if data.labels is None or len(set(folders)) > len(data.classes) else {},
        [f"{n}: {why}" for n, why in data.facts["corrupt"]],
        data.facts["corrupt_count"],
        vectors=lambda rows: _spectra(data, rows),
        by="spectra",
        costs=max(500, min(20_000, _ROOM // data.samples)),
        simple=lambda rows: _measures(data, rows),
        flat=lambda rows: np.abs(data.waves(rows).numpy()).reshape(len(rows), -1).max(1) < _SILENT,
        facts={key: data.summary[key] for key in ("count", "rate", "seconds", "train", "held", "classes")},
    )


def _spectra(data: Any, rows: Rows) -> np.ndarray:
    """Logarithmic spectra in _BANDS bands of equal ratios and _TIMES stretches: float32 [n, _BANDS * _TIMES]."""
    power = stft(data.waves(rows).mean(1), _FRAMES, _FRAMES // 2).abs().square().numpy()
    edges = np.unique(np.geomspace(1, power.shape[1], _BANDS + 1).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    times = np.linspace(0, bands.shape[2], _TIMES + 1).astype(int)[:-1]
    return np.log(np.add.reduceat(bands, np.unique(times), axis=2) + 1e-4).reshape(len(rows), -1)


def _measures(data: Any, rows: Rows) -> np.ndarray:
    """Loudness, sign changes, share of near silence and length: float32 [n, 4]."""
    x = data.waves(rows).numpy().mean(1)
    changes = (np.diff(np.signbit(x), axis=1)).mean(1)
    length = np.array([data.length(int(row)) for row in rows])
    quiet = (np.abs(x) < 0.01).mean(1)
    return np.stack([np.log(x.std(1) + 1e-4), changes, quiet, np.log(length)], 1).astype(np.float32)
