"""Kill the studio or a training at random while both are in use: nothing is lost, and the page comes back to the truth.

    python benchmarks/studio_kills.py [--kills 30] [--seed 0] [--budget 24k]

Two trainings are started through the studio, with a page open in headless Chromium. Then, at random moments, the server
or one of the trainings gets SIGKILL. A server is started again by the same command; a training that was killed must be
shown as stopped within 5 seconds, and is resumed through the studio. In the end both must have finished with the same
weights, byte for byte, as the same commands without a studio. Prints a table; rows are in results/studio_kills.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

NAME = "studio_kills"
TOKEN = "a-token-for-trials"
TRUTH = 5.0  # seconds until the page has to show it
SETTINGS = {"train.threads": "1", "train.precision": "fp32", "evaluate": "off", "batch": "64", "networks.width": "16"}
SETTINGS |= {"networks.d_width": "16"}


class Studio:
    """The studio of a folder as a process, and its address."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        words = ["studio", str(folder), f"port={port}", f"token={TOKEN}", "open=off"]
        self.command = [sys.executable, "-m", "ganworks", *words]
        self.process: subprocess.Popen[bytes] | None = None
        self.cookie = ""

    def start(self) -> float:
        """Start it; returns the seconds until it answers."""
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: self.log_in() and self.ask("api/state"), 30, "the studio answers")
        return time.monotonic() - begun

    def kill(self) -> None:
        """End it without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer as JSON; None when nobody answers."""
        headers = {"cookie": self.cookie, "content-type": "application/json", "origin": self.url}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.code} {error.read().decode()[:300]}") from error
        except OSError:
            return None

    def log_in(self) -> bool:
        """Get the cookie that the page gets for the token; False when nobody answers."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        opener = urllib.request.build_opener(Stay)
        try:
            answer: Any = opener.open(f"{self.url}/?token={TOKEN}", timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        except OSError:
            return False
        self.cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        return True


def wait(ready: Callable[[], Any], most: float, what: str) -> tuple[Any, float]:
    """(what `ready` returned at last, seconds until then). Raises SystemExit after `most` seconds."""
    begun = time.monotonic()
    while not (found := ready()):
        if time.monotonic() - begun > most:
            raise SystemExit(f"After {most:.0f} s still not: {what}.")
        time.sleep(0.05)
    return found, time.monotonic() - begun


def training_of(folder: Path, run: str) -> int | None:
    """The process that trains a run of the folder."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            inside = (place / "cwd").readlink() == folder
        except OSError:
            continue
        if inside and "train" in words and f"out=runs/{run}" in words:
            return int(place.name)
    return None


class Page:
    """The studio's page in Chromium: what it shows of each run."""

    def __init__(self, url: str):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"):
            options.add_argument(word)
        self.driver = webdriver.Chrome(options=options)
        self.driver.get(url)

    def text(self) -> str:
        """All that can be read on the page."""
        return self.driver.execute_script("return document.body.innerText").lower()

    def shows(self, runs: list[dict[str, Any]]) -> bool:
        """Whether each run is there with a word for its status, and no banner says that the server is away."""
        words = {"running": ("training", "preparing", "evaluating", "running"), "finished": ("finished",)}
        shown = self.text()
        if "does not answer" in shown:
            return False
        return all(
            run["name"] in shown and any(w in shown for w in words.get(run["status"], (run["status"],))) for run in runs
        )


def digest(run: Path) -> str:
    """SHA-256 of the weights, averages and optimisers of the last state. What is published is the best by scores, and
    these are taken at moments that depend on the clock.
    """
    from safetensors import safe_open

    made = hashlib.sha256()
    with safe_open(max((run / "state").glob("*.safetensors")), "np") as state:
        for name in sorted(state.keys()):
            made.update(name.encode() + state.get_tensor(name).tobytes())
    return made.hexdigest()


def undisturbed(folder: Path, seed: int, budget: str) -> str:
    """The network that the same command trains alone."""
    words = [f"{k}={v}" for k, v in (SETTINGS | {"seed": str(seed), "budget": budget}).items()]
    out = folder / f"alone-{seed}"
    command = [sys.executable, "-m", "ganworks", "train", "image", "data=digits", f"out={out}", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return digest(out)


def trial(studio: Studio, folder: Path, kills: int, seed: int, budget: str) -> dict[str, Any]:
    """Start, kill, resume; returns a row."""
    chance = random.Random(seed)
    studio.folder.mkdir()
    first = studio.start()
    names = ["one", "two"]
    for k, name in enumerate(names):
        given = SETTINGS | {"seed": str(k), "budget": budget}
        studio.ask("api/runs", {"recipe": "image", "data": "builtin:digits", "name": name, "settings": given})
    page = Page(f"{studio.url}/?token={TOKEN}")
    killed, slowest, restarts = {"server": 0, "training": 0}, 0.0, [first]

    def truth() -> bool:
        state = studio.ask("api/state")
        return bool(state) and page.shows(state["runs"])

    while sum(killed.values()) < kills:
        time.sleep(chance.uniform(0.2, 3.0))
        runs = {run["name"]: run for run in (studio.ask("api/state") or {"runs": []})["runs"]}
        assert set(names) <= set(runs), f"a run is lost: {sorted(runs)}"
        victim = chance.choice(["server", *names])
        if victim == "server":
            studio.kill()
            time.sleep(chance.uniform(0, 1))
            restarts.append(studio.start())
            killed["server"] += 1
        else:
            pid = training_of(studio.folder, victim)
            if runs[victim]["status"] == "finished" or pid is None:
                if all(run["status"] == "finished" for run in runs.values()):
                    break
                continue
            os.kill(pid, signal.SIGKILL)
            killed["training"] += 1
            name = victim
            wait(lambda name=name: studio.ask(f"api/runs/{name}")["status"] != "running", TRUTH, f"{name} is stopped")
        slowest = max(slowest, wait(truth, TRUTH, "the page shows the truth")[1])
        for name in names:
            if studio.ask(f"api/runs/{name}")["status"] in ("stopped", "failed"):
                studio.ask(f"api/runs/{name}/resume", {})
    wait(lambda: all(r["status"] == "finished" for r in studio.ask("api/state")["runs"]), 3600, "both are finished")
    same = [digest(studio.folder / "runs" / name) == undisturbed(folder, k, budget) for k, name in enumerate(names)]
    page.driver.quit()
    return {
        "seed": seed,
        "budget": budget,
        "kills of the server": killed["server"],
        "kills of trainings": killed["training"],
        "weights as undisturbed": f"{sum(same)} of {len(same)}",
        "slowest truth, s": round(slowest, 2),
        "slowest start, s": round(max(restarts), 2),
        **common.machine(),
    }


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", default="24k")
    given = parser.parse_args()
    rows = common.load(NAME)
    if common.missing(rows, {"seed": given.seed, "budget": given.budget}):
        with tempfile.TemporaryDirectory() as folder:
            studio = Studio(Path(folder) / "work", 8600 + given.seed)
            try:
                rows.append(trial(studio, Path(folder), given.kills, given.seed, given.budget))
            finally:
                studio.kill()
        common.save(NAME, rows)
    keys = [key for key in rows[0] if key not in common.machine()]
    print(common.table(keys, [[row[key] for key in keys] for row in rows]))


if __name__ == "__main__":
    main()
