"""The report of sounds, films, texts and tables: shown inside the page, within budgets, whatever they hold."""

from __future__ import annotations

import io
import json
import math
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
import yaml
from PIL import Image
from report_page import Page, page_of
from standins import publish

from ganworks.cli import main as cli
from ganworks.files import weights
from ganworks.metrics import tasks as measured
from ganworks.report import advice, glossary, words
from ganworks.report.page import media, sections
from ganworks.report.page.model_card import card
from ganworks.report.read import frames, read_run
from ganworks.report.terminal.info import info

HOSTILE = fake_run.HOSTILE


def wav(seconds: float = 0.2, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        tone = np.sin(np.arange(int(seconds * rate)) * 0.3) * 9000
        file.writeframes(tone.astype("<i2").tobytes())
    return out.getvalue()


def gif(frames: int = 4, side: int = 24) -> bytes:
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (side, side), np.uint8)) for _ in range(frames)]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()


MP4 = b"\0\0\0\x18ftypisom" + bytes(200)
TABLE = f"# generated\nage,city\n31,Lyon\n44,{HOSTILE.replace(chr(34), chr(34) * 2)!r}\n".encode()
FILES: dict[str, bytes] = {
    "tones.wav": wav(), "clip.mp4": MP4, "moves.gif": gif(), "lines.txt": f"a line\n{HOSTILE}\n".encode(),
    "rows.csv": TABLE,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "audio": {"form": ".wav", "each": ".wav", "shape": [1, 4096], "facts": {"rate": 8000}, "shown": wav()},
    "text": {"form": ".txt", "each": "", "shape": [32], "facts": {}, "shown": b"a man sits on a bench .\n"},
    "video": {"form": ".gif", "each": ".gif", "shape": [8, 3, 32, 32], "facts": {}, "shown": gif()},
    "table": {"form": ".csv", "each": "", "shape": [20], "facts": {}, "shown": TABLE},
}  # fmt: skip


def build(folder: Path, kind: str = "audio", **files: bytes) -> Path:
    """A finished run of a generator of this kind: what it showed, and an evaluation that made files of all kinds."""
    about = KINDS[kind]
    lines = [event for event in fake_run.events(rounds=10, scored=4) if event["event"] != "shown"]
    run = fake_run.build(folder, kind, lines=lines, evaluated=False, pictures=False)
    for seen in (1000, 60_000, 180_000):
        (run / "samples" / f"{seen:012d}{about['form']}").write_bytes(about["shown"])
    spec = {"kind": kind, "shape": about["shape"], "classes": [], "facts": about["facts"]}
    (run / "spec.yaml").write_text(yaml.safe_dump(spec))
    nets = publish(folder / "nets")
    tensors, texts = weights.read(nets / "generator.safetensors")
    own = {"forms": [about["form"]], "each": about["each"], "use": "sample", "options": {"temperature": "spread"}}
    text = json.dumps(json.loads(texts["ganworks"]) | own)
    weights.write(run / "generator.safetensors", tensors, texts | {"ganworks": text})
    report = measured.TaskReport(
        metrics={"pair_trends": measured.metric([0.94, 0.96], 0.98, better="higher", meaning="how alike pairs are"),
                 "detection": measured.metric([0.7, 0.8], 0.5, meaning="how well a classifier tells them apart")},
        count=500, baselines={"each column alone": {"pair_trends": 0.9, "detection": 0.98}},
        pictures={f"{name} {HOSTILE}": name for name in FILES},
    )  # fmt: skip
    (run / "eval").mkdir(exist_ok=True)
    for name, content in (FILES | files).items():
        (run / "eval" / name).write_bytes(content)
    (run / "eval.json").write_text(json.dumps(report.to_dict()))
    return run


def sources(page: Page, tag: str) -> list[str]:
    return [str(a["src"])[:40] for a in page.all(tag)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_made_is_inside_the_page(tmp_path: Path, kind: str) -> None:
    page, text = page_of(build(tmp_path, kind))
    assert page.open == [] and len(page.all("script")) == 1 and "<script>alert" not in text.replace("<script>\n", "")
    assert {s.partition(",")[0] for s in sources(page, "audio")} == {"data:audio/wav;base64"}
    assert [s.partition(",")[0] for s in sources(page, "video")] == ["data:video/mp4;base64"]
    assert any(s.startswith("data:image/gif") for s in sources(page, "img"))
    assert all("controls" in a and a.get("aria-label") for t in ("audio", "video") for a in page.all(t))
    assert "muted" in page.all("video")[0] and "loop" in page.all("video")[0]
    assert "<pre tabindex" in text and "a line\n&lt;script&gt;alert" in text and "<td>Lyon</td>" in text
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and "media-src data:;" in policy and "http" not in policy
    film = text.partition('class="film"')[2].partition('class="charts"')[0]
    assert film.count("<figure>") == 3 and "After 180k examples" in film


def test_the_words_fit_what_it_makes(tmp_path: Path) -> None:
    found = read_run(build(tmp_path, "table"))
    text = page_of(found.folder)[1]
    assert found.task and found.use == "sample" and "rows of digits" in text and "Not judged yet" not in text
    assert "Held-out real data" in text and "Better than each column alone" in text
    assert "0.25 s" not in text and "0.512 s at 8,000 Hz" in page_of(build(tmp_path, "audio"))[1]
    assert "8 frames of 32 × 32 pixels" in page_of(build(tmp_path, "video"))[1]
    assert sections.said("<i> of `text`") == "&lt;i&gt; of <code>text</code>"
    assert [glossary.metric_for(key).title for key in ("self_bleu_4", "tstr_f1", "pairs", "told_by_gru")] == [
        "Self-BLEU-4", "TSTR F1", "Pairs of columns", "Told apart by a network"]  # fmt: skip
    assert words.verdict(found).text.startswith("Pair trends 0.950, real data 0.980. Better than each")
    lines = info(found.folder)
    assert any("temperature" in line for line in lines) and any("real data 0.980" in line for line in lines)


@pytest.mark.parametrize(("kind", "command"), [
    ("audio", "16 seed=0 out={}-samples"), ("text", "1000 seed=0 out={}.txt"), ("table", "1000 seed=0 out={}.csv"),
])  # fmt: skip
def test_the_commands_make_files_of_the_kind(tmp_path: Path, kind: str, command: str) -> None:
    run = read_run(build(tmp_path, kind))
    assert advice.commands(run)[0].text == f"ganworks sample {run.folder} {command.format(run.folder)}"
    assert f'samples.save("samples{"" if kind == "audio" else KINDS[kind]["form"]}")' in card(run)


def test_what_turns_sound_into_sound_is_no_matter_of_pictures(tmp_path: Path) -> None:
    run = build(tmp_path, "audio")
    tensors, texts = weights.read(run / "generator.safetensors")
    own = {"use": "apply", "takes": [".wav", ".npy"], "gives": ".wav", "forms": [], "each": ""}
    text = json.dumps(json.loads(texts["ganworks"]) | own)
    weights.write(run / "generator.safetensors", tensors, texts | {"ganworks": text})
    spec = yaml.safe_load((run / "spec.yaml").read_text()) | {"kind": "vocoder"}
    (run / "spec.yaml").write_text(yaml.safe_dump(spec))
    found = read_run(run)
    assert advice.commands(found)[0].text == f"ganworks apply {run} file.wav out={run}.wav"
    assert 'gw.apply("audio", "file.wav", "result.wav")' in card(found)
    assert "turns mel frames into sound, trained on 1.8k recordings" in page_of(run)[1]


def test_budgets_hold(tmp_path: Path) -> None:
    run = build(tmp_path, "audio", **{"tones.wav": wav(400), "clip.mp4": MP4 + bytes(2_000_000),
                                      "lines.txt": b"a line of text\n" * 90_000})  # fmt: skip
    many = {f"x{k}.wav": wav(30) for k in range(40)}
    for name, content in many.items():
        (run / "eval" / name).write_bytes(content)
    page, text = page_of(run)
    assert len(text) < 8_000_000 and "seconds." in text and "It is too large for this page: eval/clip.mp4" in text
    assert "It goes on in eval/lines.txt" in text and text.count("a line of text") <= 60
    assert 4 < len(page.all("audio")) < 40
    kept, _ = media._beginning(wav(400), 10_000)
    with wave.open(io.BytesIO(kept)) as file:  # what was cut is a whole file
        assert len(kept) <= 10_000 and file.getframerate() == 8000 and 4_000 < file.getnframes() < 5_000


@pytest.mark.parametrize("content", [
    b"", b"RIFF", b"<html>", b"RIFF\0\0\0\0WAVEfmt " + b"\xff" * 900_000,
    b"RIFF\0\0\0\0WAVE" + b"fmt \x10\0\0\0" + bytes(16) + b"data\xff\xff\xff\xff" + bytes(900_000),
    b"\0\0\0\x18ftyp" + b"GIF89a", b"a,b\n" + b'"' * 90_000, b"\x00\xff\xfe" * 50_000,
])  # fmt: skip
def test_damaged_and_hostile_files_do_no_harm(tmp_path: Path, content: bytes) -> None:
    run = build(tmp_path, "audio", **dict.fromkeys(FILES, content))
    page, text = page_of(run)
    assert page.open == [] and len(page.all("script")) == 1 and "\x00" not in text
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav())
    (run / "eval" / "link.wav").symlink_to(secret)
    assert media.shown(read_run(run), run / "eval" / "link.wav", 10**6, "x") == ""
    assert media.shown(read_run(run), run / "eval" / "none.wav", 10**6, "x") == ""


def test_sounds_have_no_length_that_a_header_can_make_up() -> None:
    head = b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WAVE" + b"fmt " + struct.pack("<I", 2**31)
    assert media._beginning(head + bytes(5000), 1000) == (b"", "")


def test_frames_of_all_kinds_are_found_in_order(tmp_path: Path) -> None:
    run = build(tmp_path, "text")
    (run / "samples" / "000000090000.png").write_bytes(b"x")
    (run / "samples" / "notes.md").write_bytes(b"x")
    assert [(seen, path.suffix) for seen, path in frames(read_run(run))] == [
        (1000, ".txt"), (60_000, ".txt"), (90_000, ".png"), (180_000, ".txt")]  # fmt: skip


def test_an_evaluation_of_what_samples_is_printed_beside_real_data(tmp_path: Path, capsys: Any) -> None:
    from ganworks.cli.evaluate import print_report

    run = build(tmp_path, "table")
    print_report(json.loads((run / "eval.json").read_text()), "sample")
    said = capsys.readouterr().out
    assert "500 samples" in said and "'real' is held-out real data" in said and "each column alone" in said
    assert cli.main(["info", str(run)]) == 0 and math.isfinite(len(said))
    shutil.rmtree(run)
