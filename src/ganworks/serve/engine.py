"""The models of a service, and the thread that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ganworks.core.errors import UsageError, nearest
from ganworks.files.provenance.signing import Signer
from ganworks.files.watermark.mark import Watermark
from ganworks.serve.asks import SampleAsk
from ganworks.use.model import Model
from ganworks.use.samples import Samples


class Engine:
    """Runs what is asked of the models. paths: name -> run folder or file; each is opened at its first use.

    watermark, signer: as of `use.samples.Samples`, for everything that is made.
    """

    def __init__(self, paths: Mapping[str, Path], watermark: Watermark | None = None, signer: Signer | None = None):
        self.paths, self.watermark, self.signer = dict(paths), watermark, signer
        self._models: dict[str, Model] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    @property
    def names(self) -> list[str]:
        """The models by name."""
        return list(self.paths)

    async def sample(self, ask: SampleAsk) -> Samples:
        """The samples that are asked for, the same bytes as the command line gives. Raises UsageError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._sample, ask)

    def _sample(self, ask: SampleAsk) -> Samples:
        model = self._model(ask.model).prepared(**ask.options)
        made = model.sample(ask.n, ask.seed, ask.labels, ask.truncation, ask.start)
        return made.written_with(self.watermark, self.signer)

    def _model(self, name: str) -> Model:
        if name not in self.paths:
            raise UsageError(f'There is no model "{name}". {nearest(name, self.names)}')
        if name not in self._models:
            self._models[name] = Model.load(self.paths[name])
        return self._models[name]

    def close(self) -> None:
        """Wait for what runs, and end the thread."""
        self._thread.shutdown()
