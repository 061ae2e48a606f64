"""Answers requests: from asks to results, whichever protocol they came by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganworks.core.abilities.encoding import options_of
from ganworks.core.contracts import facts_for_card
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.core.machine.devices import cores
from ganworks.files.provenance.signing import Signer
from ganworks.files.watermark.mark import Watermark
from ganworks.serve.asks import ApplyAsk, DecodeAsk, PredictAsk, SampleAsk, WalkAsk
from ganworks.serve.engine.errors import BusyError, ClosedError, TooLateError
from ganworks.serve.engine.jobs import RowsJob
from ganworks.serve.engine.lanes import CallJob, Lane, RowsLane
from ganworks.serve.engine.limits import Limits
from ganworks.serve.engine.models import SHARE, Loaded, Models
from ganworks.serve.engine.rows import LatentRows, Rows, SeedRows
from ganworks.serve.engine.uploads import Changed, applied, check_files, predicted
from ganworks.serve.engine.worker import RANDOM, Worker
from ganworks.use.model import Labels, Model
from ganworks.use.predictor import Predictions
from ganworks.use.samples import Samples

_SETTINGS = 8  # variants of a model under options that are kept
_LANES = 32  # truncations of a model whose queues are kept
_AHEAD = 2  # parts of a stream that are under way at once


class Engine:
    """Runs what is asked of the models, which are loaded at their first use.

    paths: name -> run folder or file. memory_gib: for all models together; None: half of what the machine or its
    control group leaves at the start. device: as for `Model.load`. threads: of torch; None: the processor's cores but
    one, which is left to the protocol. seals: the watermark and the signer of all that is made. Every method of it is
    called on an event loop; the same request gives the same bytes as the command line. Raises ServiceError with a
    `reason` where a request is not answered, and UsageError for one that asks for what is not there.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        limits: Limits | None = None,
        memory_gib: float | None = None,
        device: str = "auto",
        threads: int | None = None,
        seals: tuple[Watermark | None, Signer | None] = (None, None),
    ):
        self.limits = limits or Limits()
        torch.set_num_threads(threads or max(1, min(cores() - 1, torch.get_num_threads())))
        budget = int(memory_gib * 2**30) if memory_gib else int(SHARE * memory.available())
        self._worker = Worker(self.limits)
        self._models = Models(paths, budget, device, lambda gone: self._worker.forget([*gone.lanes.values()]), seals)
        self.watermark = seals[0]
        self._helpers = ThreadPoolExecutor(2, thread_name_prefix="ganworks-help")
        self._under_way, self._held = 0, 0  # requests, bytes of their answers
        self._closing = False

    @property
    def paths(self) -> dict[str, Path]:
        """Where each model is, by name."""
        return self._models.paths

    @property
    def names(self) -> list[str]:
        """The models by name."""
        return list(self._models.paths)

    # Asks ----------------------------------------------------------------------------------------------------------

    async def sample(self, ask: SampleAsk) -> Samples:
        """The samples that are asked for, the same bytes as the command line gives."""
        async with self._leased(ask, "sample") as loaded:
            model = await self._variant(loaded, ask.options)
            self.limits.check_samples(ask.n, model.row_bytes)
            return await self._sampled(loaded, model, ask)

    async def stream(self, ask: SampleAsk) -> AsyncIterator[Samples]:
        """The samples of `sample` in parts, in order, all of one version of the model; for very many.

        A part is made while the one before is taken, and no further ahead: whoever reads slowly costs no memory.
        """
        async with self._leased(ask, "sample") as loaded:
            model = await self._variant(loaded, ask.options)
            self.limits.check_samples(min(ask.n, self.limits.slice), model.row_bytes)
            self.limits.check_samples(ask.n, 1, self.limits.streamed)
            under_way: list[asyncio.Task[Samples]] = []
            try:
                for part in _parts(ask, self.limits.slice):
                    under_way.append(asyncio.create_task(self._sampled(loaded, model, part, ask)))
                    if len(under_way) == _AHEAD:
                        yield await under_way.pop(0)
                while under_way:
                    yield await under_way.pop(0)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def decode(self, ask: DecodeAsk) -> Samples:
        """Samples of the caller's own latents, as `Model.decode`."""
        async with self._leased(ask, "sample") as loaded:
            model = await self._variant(loaded, ask.options)
            z = model.checked_latents(_as_latents(ask.latents))
            self.limits.check_samples(len(z), model.row_bytes)
            return await self._decoded(loaded, model, z.float(), ask.labels, ask.truncation, ask.deadline_s)

    async def walk(self, ask: WalkAsk) -> Samples:
        """A walk from seed to seed, as `Model.walk`."""
        async with self._leased(ask, "sample") as loaded:
            model = await self._variant(loaded, ask.options)
            count = (len(ask.seeds) - 1) * ask.steps
            self.limits.check_samples(count, model.row_bytes, self.limits.steps)
            z = await self._aside(lambda: model.walk_latents(ask.seeds, ask.steps, ask.truncation))
            labels = 0 if ask.labels is None and model.spec.num_classes else ask.labels
            made = await self._decoded(loaded, model, z, labels, ask.truncation, ask.deadline_s)
            facts = {"interpolation": list(ask.seeds), "truncation": ask.truncation}
            return model.wrap(made.data, seed=None, labels=made.labels, **facts)

    async def apply(self, ask: ApplyAsk) -> Changed:
        """A file through a translator or restorer: the bytes that `ganworks apply` writes."""
        files = (ask.name, ask.content), *([] if ask.mask is None else [("mask.png", ask.mask)])
        await self._aside(lambda: check_files(self.limits, files))
        async with self._leased(ask, "apply reverse" if ask.reverse else "apply") as loaded:
            return await self._called(loaded, lambda: applied(loaded.thing, ask), ask.deadline_s)

    async def predict(self, ask: PredictAsk) -> Predictions:
        """The classes of pictures, as `ganworks predict` says for each."""
        self.limits.check_files(len(ask.files))
        await self._aside(lambda: check_files(self.limits, ask.files))
        async with self._leased(ask, "predict") as loaded:
            return await self._called(loaded, lambda: predicted(loaded.thing, ask), ask.deadline_s)

    # Facts ---------------------------------------------------------------------------------------------------------

    async def describe(self, name: str) -> dict[str, Any]:
        """Plain facts of a model: name, use, uses, kind, shape, classes, z_dim, options, forms, each, takes, gives,
        recipe, seen, fingerprint, sha256 of its file, limits. Loads it.
        """
        state = self._models.state(name)  # raises for an unknown name
        uses = await self._aside(lambda: self._models.uses(name))
        async with self._lease(name, uses[0], 60.0) as loaded:
            return {**_facts(loaded), "uses": uses, "state": {**state, "state": "loaded"}, "limits": vars(self.limits)}

    def state(self, name: str) -> dict[str, Any]:
        """state: "loaded", "loading", "failed" or "waiting" for its first use; reason, bytes, queued."""
        return self._models.state(name)

    @property
    def ready(self) -> bool:
        """Whether requests are taken."""
        return not self._closing

    def refusal(self, name: str | None, deadline_s: float) -> float | None:
        """Seconds after which to come back, when a single sample of a model would be refused now; None: it would not.

        name: None stands for any model, and unknown ones are not refused here. Costs next to nothing: for what stands
        in front of everything else.
        """
        if name is not None:
            found = self._models.there(name)
            return self._refusal(found, deadline_s) if found else None
        all_of_them = [self._models.there(name) for name in self.names]
        seconds = [self._refusal(found, deadline_s) if found else None for found in all_of_them]
        return None if None in seconds or not seconds else min(second for second in seconds if second is not None)

    def _refusal(self, loaded: Loaded, deadline_s: float) -> float | None:
        lanes = [lane for lane in [*loaded.lanes.values()] if lane.jobs]
        found = [self._worker.refusal(lane, 1, loaded.queued, deadline_s) for lane in lanes]
        return None if None in found or not found else min(second for second in found if second is not None)

    def figures(self) -> dict[str, Any]:
        """Counts since the start: done, failed, refused, late, gone, runs; busy_s of the worker; queued by model."""
        queued = {name: self._models.state(name)["queued"] for name in self.names}
        counts = {name: self._worker.counts[name] for name in ("done", "failed", "refused", "late", "gone", "runs")}
        return {**counts, "busy_s": self._worker.busy_s, "under_way": self._under_way, "queued": queued}

    async def load(self, name: str) -> None:
        """Load a model before its first use. Raises CannotLoadError."""
        await self.describe(name)

    async def drain(self, seconds: float) -> bool:
        """Take no more requests, and wait up to so many seconds for those under way; whether all were answered."""
        self._closing = True
        ends = asyncio.get_running_loop().time() + seconds
        while self._under_way and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.02)
        return not self._under_way

    def close(self) -> None:
        """Wait for what runs, and end the threads; what waits fails with ClosedError."""
        self._closing = True
        self._worker.close()
        self._models.close()
        self._helpers.shutdown(cancel_futures=True)

    # Inside --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _leased(self, ask: Any, use: str) -> AsyncIterator[Loaded]:
        async with self._lease(ask.model, use, ask.deadline_s) as loaded:
            yield loaded

    @asynccontextmanager
    async def _lease(self, name: str, use: str, seconds: float) -> AsyncIterator[Loaded]:
        """One version of a model, held while the block runs."""
        if self._closing:
            raise ClosedError("The service is ending and takes no more requests.")
        self._under_way += 1
        try:
            loaded = await self._loaded(name, use, seconds)
            try:
                yield loaded
            finally:
                self._models.release(loaded)
        finally:
            self._under_way -= 1

    async def _loaded(self, name: str, use: str, seconds: float) -> Loaded:
        ends = asyncio.get_running_loop().time() + seconds
        while True:
            found = self._models.lease(name, use)
            if isinstance(found, Loaded):
                return found
            left = ends - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait([_watched(found)], timeout=max(0.0, left))
            if not done:
                raise TooLateError(f'"{name}" is still being loaded after {seconds:g} s. Ask again.', 5.0)

    async def _variant(self, loaded: Loaded, options: dict[str, Any]) -> Model:
        """The model under options; made once for each setting."""
        if not options:
            return loaded.thing
        try:
            name = json.dumps(options, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise UsageError(f"The options must be plain values: {error}.") from error
        made = loaded.kept.get(name)
        if made is None:
            fresh = await self._aside(lambda: _prepared(loaded.thing, options))
            made = loaded.kept.setdefault(name, fresh)
            while len(loaded.kept) > _SETTINGS:
                old = loaded.kept.pop(next(iter(loaded.kept)))
                gone = [key for key in loaded.lanes if key[0] is old and not loaded.lanes[key].jobs]
                self._worker.forget([loaded.lanes.pop(key) for key in gone])
        return made

    async def _sampled(self, loaded: Loaded, model: Model, ask: SampleAsk, whole: SampleAsk | None = None) -> Samples:
        """The samples of an ask; whole: the ask that it is a part of, where labels begin."""
        whole = whole or ask
        first = 0 if ask.labels is None else whole.start
        rows = SeedRows(model, ask.n, ask.seed, ask.labels, ask.truncation, ask.start, first)
        data = await self._rows(loaded, model, rows, ask.truncation, ask.deadline_s)
        labels = rows.labels(0, ask.n)
        return model.wrap(data, seed=ask.seed, start=ask.start, labels=labels, truncation=ask.truncation)

    async def _decoded(
        self, loaded: Loaded, model: Model, z: torch.Tensor, labels: Labels, truncation: float, seconds: float
    ) -> Samples:
        y = model.label_list(labels, np.arange(len(z)))
        data = await self._rows(loaded, model, LatentRows(model, z, y), truncation, seconds)
        return model.wrap(data, seed=None, labels=y)

    async def _rows(self, loaded: Loaded, model: Model, rows: Rows, truncation: float, seconds: float) -> np.ndarray:
        lane = self._lane(loaded, model, truncation if model.truncates else 1.0)
        size = rows.n * model.row_bytes
        if self._held + size > max(self.limits.answer_bytes, size):
            raise BusyError("The answers that are being made fill the memory that they may take. Try again later.", 1.0)
        self._held += size
        try:
            job = RowsJob(rows, np.empty((rows.n, *model.spec.shape), model.spec.dtype), seconds)
            self._worker.submit(lane, job, loaded.queued, f'"{loaded.name}"')
            return await job.future
        finally:
            self._held -= size

    def _lane(self, loaded: Loaded, model: Model, truncation: float) -> RowsLane:
        """The queue of a model under a truncation; places are measured once for all but 1."""
        lanes = loaded.lanes
        if (model, truncation) not in lanes:
            alike = [lane for (own, other), lane in lanes.items() if own is model and (other == 1) == (truncation == 1)]
            places = alike[0].places if alike else None
            lanes[model, truncation] = RowsLane(model, truncation, places)
            idle = [name for name, lane in lanes.items() if not lane.jobs and name[0] is model and name[1] != 1]
            for name in idle[: len(lanes) - _LANES]:
                del lanes[name]
        return lanes[model, truncation]

    async def _called(self, loaded: Loaded, call: Callable[[], Any], seconds: float) -> Any:
        lane = loaded.lanes.setdefault((None, 1.0), Lane())
        job = CallJob(call, seconds)
        self._worker.submit(lane, job, loaded.queued, f'"{loaded.name}"')
        return await job.future

    async def _aside(self, call: Callable[[], Any]) -> Any:
        """Something short that is no run of a model, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._helpers, call)


def _prepared(model: Model, options: dict[str, Any]) -> Model:
    with RANDOM:
        return model.prepared(**options)


def _watched(future: Future[Any]) -> asyncio.Future[Any]:
    """A future of the event loop that ends with another thread's, whose work goes on when nobody waits any more."""
    loop = asyncio.get_running_loop()
    own: asyncio.Future[Any] = loop.create_future()

    def tell() -> None:
        if not own.done():
            own.set_result(None)

    def over(_: Any) -> None:
        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:
            return

    future.add_done_callback(over)
    return own


def _parts(ask: SampleAsk, size: int) -> list[SampleAsk]:
    """An ask in parts that end at multiples of `size`."""
    cuts = [*range(ask.start - ask.start % size + size, ask.start + ask.n, size), ask.start + ask.n]
    starts = [ask.start, *cuts[:-1]]
    return [replace(ask, start=low, n=high - low) for low, high in zip(starts, cuts, strict=True)]


def _as_latents(latents: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(latents, dtype=None if isinstance(latents, torch.Tensor) else torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"Latents must be rows of numbers of one length: {str(error)[:200]}.") from error


def _facts(loaded: Loaded) -> dict[str, Any]:
    thing, card = loaded.thing, loaded.thing.info
    files = facts_for_card(thing.domain)
    options = options_of(thing.domain, thing.net) if loaded.use == "sample" else files["options"]
    return {
        "name": loaded.name,
        "use": loaded.use,
        "kind": thing.spec.kind,
        "shape": list(thing.spec.shape),
        "source": list(thing.spec.source),
        "classes": list(thing.spec.classes),
        "z_dim": getattr(thing, "z_dim", None),
        "options": options,
        **{name: files[name] for name in ("forms", "each", "takes", "gives")},
        "recipe": card.get("recipe"),
        "seen": card.get("seen"),
        "fingerprint": thing.fingerprint,
        "sha256": loaded.sha256,
        "bytes": loaded.bytes,
    }
