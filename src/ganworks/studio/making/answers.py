"""What the page asks of a trained network, as files and plain values, with the command line and Python for the same."""

from __future__ import annotations

import inspect
import shlex
import shutil
from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.studio.making.reading import media_of, readable
from ganworks.studio.making.results import Answer, Results, url_of
from ganworks.studio.making.workshop import Workshop
from ganworks.studio.places import RefusedError, safe_name
from ganworks.studio.trainings.details import medium_of

MOST = 1000  # samples of one request
_SHOWN = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".wav", ".mp4", ".webm", ".flac", ".ogg")  # what browsers show

_EXPLORING = "from ganworks.use.exploring.space import Space\n"


class Maker:
    """Answers for the page. Its methods run in the workshop's thread."""

    def __init__(self, workshop: Workshop, results: Results):
        self.workshop, self.results = workshop, results

    def sample(self, name: str, asked: dict[str, Any]) -> Answer:
        """Samples. asked: n, seed, start, labels, truncation, options. Raises UsageError."""
        asked = {**asked, "options": {key: str(value) for key, value in asked["options"].items()}}
        key = self.results.key("sample", self.workshop.stamp(name), asked)

        def work(folder: Path) -> Answer:
            model = self.workshop.model(name, "sample").prepared(**asked["options"])
            given = (asked["n"], asked["seed"], asked["labels"], asked["truncation"], asked["start"])
            samples = model.sample(*given)
            out = _download(samples, "samples")
            words = [f"runs/{name}", str(asked["n"] + asked["start"]), f"seed={asked['seed']}", *_facts(asked)]
            words += [f"{option}={value}" for option, value in asked["options"].items()]
            told = ", ".join([str(asked["n"]), f"seed={asked['seed']}", *_arguments(asked)])
            told += "".join(f", {option}={value!r}" for option, value in asked["options"].items())
            told += f", start={asked['start']}" if asked["start"] else ""
            code = f"model.sample({told}).save({out!r})"
            return self._shown(model, samples, folder, key, out) | _recipe(name, ["sample", *words, f"out={out}"], code)

        return self.results.make(key, work)

    def walk(self, name: str, asked: dict[str, Any]) -> Answer:
        """A walk from seed to seed. asked: seeds, steps, labels, truncation. Raises UsageError."""
        key = self.results.key("walk", self.workshop.stamp(name), asked)

        def work(folder: Path) -> Answer:
            model = self.workshop.model(name, "sample")
            samples = model.walk(asked["seeds"], asked["steps"], asked["labels"], asked["truncation"])
            out = "walk.webp" if samples.maker is None and len(samples.spec.shape) == 3 else _download(samples, "walk")
            seeds = ",".join(map(str, asked["seeds"]))
            words = [f"runs/{name}", f"interpolate={seeds}", f"steps={asked['steps']}", *_facts(asked)]
            told = ", ".join([str(asked["seeds"]), str(asked["steps"]), *_arguments(asked)])
            code = f"model.walk({told}).save({out!r})"
            return self._shown(model, samples, folder, key, out) | _recipe(name, ["sample", *words, f"out={out}"], code)

        return self.results.make(key, work)

    def latent(self, name: str, asked: dict[str, Any]) -> Answer:
        """One sample whose latent was moved. asked: seed, moves {number: standard deviations}, labels, truncation."""
        key = self.results.key("latent", self.workshop.stamp(name), asked)

        def work(folder: Path) -> Answer:
            model = self.workshop.model(name, "sample")
            space, vectors = self.workshop.sliders(name, asked["labels"])
            moves = {int(k): v for k, v in asked["moves"].items() if v}
            if any(not 0 <= k < len(vectors) for k in moves):
                raise UsageError(f"moves are numbered from 0 to {len(vectors) - 1}.")
            seed, truncation = asked["seed"], asked["truncation"]
            point = space.of_seeds([seed], truncation) if space.styles else model.latents(1, seed, truncation)
            for k, amount in moves.items():
                point = point + amount * float(space.along(vectors[k][None])) * vectors[k]
            samples = space.samples(point)
            told = "model" if asked["labels"] is None else f"model, {asked['labels']!r}"
            code = (
                f"space = Space({told})\npoint = torch.tensor({[round(v, 5) for v in point[0].tolist()]})[None]\n"
                "space.samples(point).save('one.npz')"
            )
            shown = self._shown(model, samples, folder, key, _download(samples, "sample"))
            return {**shown["items"][0], **{k: v for k, v in shown.items() if k != "items"}, "items": shown["items"],
                    "command": "", "python": f"import torch\n{_EXPLORING}{_python(name, code)}"}  # fmt: skip

        return self.results.make(key, work)

    def _shown(self, model: Any, samples: Any, folder: Path, key: str, out: str) -> Answer:
        """Samples as items for the page, and all of them as one file for a download."""
        samples.save(folder / out)
        download = {"download": url_of(key, out)}
        labels = [None] * len(samples) if samples.labels is None else [samples.spec.classes[k] for k in samples.labels]
        about = [{"index": int(i), "label": name} for i, name in zip(samples.indices, labels, strict=True)]
        single = samples.maker.each if samples.maker is not None else ".png" if len(samples.spec.shape) == 3 else ""
        if single:
            items = []
            for entry, (file, content) in zip(about, samples.files(), strict=True):
                (folder / file).write_bytes(content)
                items.append({**entry, "url": url_of(key, file)})
            return {"items": items, "columns": None, "media": medium_of(single), **download}
        entries, columns = readable(samples.items if samples.maker is not None else samples.data)
        media = media_of(samples.items if samples.maker is not None else samples.data)
        items = [{**one, **entry} for one, entry in zip(about, entries, strict=False)]
        return {
            "items": items,
            "columns": columns,
            "media": media,
            **self._drawn(model.domain, samples, folder, key),
            **download,
        }

    def _drawn(self, domain: Any, samples: Any, folder: Path, key: str) -> Answer:
        """One picture of samples that are no pictures, where their domain draws one."""
        from ganworks.core.contracts import ShowsExamples
        from ganworks.files.rasters.write import save_sheet

        if not isinstance(domain, ShowsExamples):
            return {}
        try:
            picture = domain.show(samples.data)
        except UsageError:
            return {}
        save_sheet(picture, folder / "drawn.png")
        return {"picture": url_of(key, "drawn.png")}

    def apply(self, name: str, given: dict[str, Any]) -> Answer:
        """A file through the network. given: file and mask as (name, path) or None, seed, options."""
        sent, path = given["file"]
        mask = given["mask"]
        digests = [_digest(path), _digest(mask[1]) if mask else None]
        key = self.results.key("apply", self.workshop.stamp(name), digests, sent, given["seed"], given["options"])

        def work(folder: Path) -> Answer:
            from ganworks.core.schema.plain import parse
            from ganworks.use.file_jobs import apply_files

            model = self.workshop.model(name, "apply")
            before = folder / f"before-{safe_name(sent) or 'file'}"
            shutil.copyfile(path, before)
            suffix = model.gives or (before.suffix if before.suffix.lower() in _SHOWN else ".png")
            after = folder / f"after{suffix.lower()}"
            if given["options"].keys() & inspect.signature(apply_files).parameters.keys():
                raise UsageError("Options are those of the network, which its page lists.")
            options = {k: v if k == "label" else parse(v) for k, v in given["options"].items()}
            if mask:
                shutil.copyfile(mask[1], folder / "mask.png")
                options["mask"] = folder / "mask.png"
            done = apply_files(model, before, after, seed=given["seed"], **options)
            words = ["apply", f"runs/{name}", safe_name(sent), f"out={after.name}", f"seed={given['seed']}"]
            words += ["mask=mask.png"] * bool(mask) + [f"{k}={v}" for k, v in given["options"].items()]
            told = "".join(f", {k}={v!r}" for k, v in given["options"].items()) + ", mask='mask.png'" * bool(mask)
            return {
                "before": url_of(key, before.name), "after": url_of(key, after.name),
                "download": url_of(key, after.name), "media": medium_of(after.suffix),
                "said": [said for _, said in done.said],
                **_recipe(name, words, f"result = model.apply({safe_name(sent)!r}, seed={given['seed']}{told})"),
            }  # fmt: skip

        return self.results.make(key, work)

    def predict(self, name: str, sent: str, path: Path) -> Answer:
        """The classes of a picture, the likeliest first."""
        file = safe_name(sent) or "file"
        key = self.results.key("predict", self.workshop.stamp(name), _digest(path), file)

        def work(folder: Path) -> Answer:
            model = self.workshop.model(name, "predict")
            before = folder / file
            shutil.copyfile(path, before)
            found = model.predict(before)
            if not len(found):
                raise RefusedError("This cannot be read as a picture.")
            classes = [{"name": label, "probability": share} for label, share in found.best(0, len(found.classes))]
            table = [{"file": Path(str(row["file"])).name, "class": row["class"], "probability": row["probability"]}
                     for row in found.table()[:MOST]]  # fmt: skip
            words = ["predict", f"runs/{name}", file, "out=classes.csv"]
            code = f"model.predict({file!r}).save('classes.csv')"
            return {"classes": classes, "table": table, "picture": url_of(key, file), **_recipe(name, words, code)}

        return self.results.make(key, work)


def _download(samples: Any, stem: str) -> str:
    """The name of the file that holds all samples: what `ganworks sample` would write by itself, in one file."""
    if samples.maker is not None:
        return f"{stem}{'.zip' if samples.maker.each else samples.maker.forms[0]}"
    return f"{stem}{'.zip' if len(samples.spec.shape) == 3 else '.npz'}"


def _facts(asked: dict[str, Any]) -> list[str]:
    """labels= and truncation= as the command line has them."""
    labels = asked["labels"]
    found = [] if labels is None else [f"labels={','.join(map(str, labels if isinstance(labels, list) else [labels]))}"]
    return found + ([f"truncation={asked['truncation']:g}"] if asked["truncation"] != 1 else [])


def _arguments(asked: dict[str, Any]) -> list[str]:
    """labels= and truncation= as Python has them."""
    found = [] if asked["labels"] is None else [f"labels={asked['labels']!r}"]
    return found + ([f"truncation={asked['truncation']:g}"] if asked["truncation"] != 1 else [])


def _recipe(name: str, words: list[str], code: str) -> dict[str, str]:
    return {"command": shlex.join(["ganworks", *words]), "python": _python(name, code)}


def _python(name: str, code: str) -> str:
    return f"import ganworks as gw\n\nmodel = gw.load({f'runs/{name}'!r})\n{code}\n"


def _digest(path: Path) -> str:
    from ganworks.files.atomic import sha256

    return sha256(path)
