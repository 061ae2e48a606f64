"""The command line as a person or a script meets it: words, exit codes, places, pipes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ganworks.cli import main as cli
from ganworks.cli.words import split
from ganworks.core.errors import UsageError

SMALL = ["budget=512", "batch=64", "train.judge=off", "train.precision=fp32", "networks.hidden=[16]", "train.threads=1"]


def test_words_and_options():
    assert split(["a", "b=1", "--out", "x", "--mark=off", "--fast", "./q=1"]) == (
        ["a", "./q=1"],
        {"b": "1", "out": "x", "mark": "off", "fast": "true"},
    )
    with pytest.raises(UsageError, match="twice"):
        split(["a=1", "a=2"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], '"train"'),
        (["train", "dcgn", "data=digits"], '"dcgan"'),
        (["train", "mlp", "data=digits", "lrr=3"], '"lr"'),
        (["train", "mlp", "data=digits", "networks.hiden=3", "budget=64"], '"hidden"'),
        (["train", "mlp", "data=digits", "loss=hing", "budget=64"], "hinge"),
        (["train", "mlp", "data=nowhere"], "nowhere"),
        (["train", "mlp"], "data="),
        (["train", "mlp", "data=digits", "budget=fast"], "90s"),
        (["train", "mlp", "data=digits", "device=cuda"], "device"),
        (["train", "mlp", "data=digits", "size=0"], "size"),
        (["train", "a", "b"], "Too many"),
        (["sample", "nowhere", "4"], "nowhere"),
        (["sample"], "needs a run"),
        (["sample", "x", "many"], "whole number"),
        (["eval", "."], "not a run"),
        (["eval"], "run folder"),
        (["info", "nowhere"], "nowhere"),
        (["recipes", "mpl"], '"mlp"'),
        (["data"], "path"),
        (["data", "nowhere"], "nowhere"),
        (["help", "trian"], "train"),
    ],
)
def test_wrong_use_is_a_sentence_and_exit_code_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["help", "sample"], ["train", "-h"], ["--version"], ["recipes"], ["recipes", "r3gan"]]
)
def test_help_is_exit_code_0(words, capsys):
    assert cli.main(words) == 0 and capsys.readouterr().out


def test_a_session_of_work(tmp_path, monkeypatch, capsys):
    """Train by path alone, find the run, train the same again (a new run, the first is finished), sample, look."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "mlp", "data=digits", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "runs/digits-mlp-1" in out and "ganworks sample" in out
    assert cli.main(["train", "mlp", "data=digits", *SMALL]) == 0
    assert (tmp_path / "runs" / "digits-mlp-2").is_dir()
    for target in ("grid.png", "many.npz", "many.zip", "folder"):
        assert cli.main(["sample", "runs/digits-mlp-1", "5", f"out={target}", "labels=3", "truncation=0.7"]) == 0
        assert (tmp_path / target).exists()
    assert (
        cli.main(["sample", "runs/digits-mlp-1/generator.safetensors", "interpolate=1,2,3", "out=walk.gif", "steps=4"])
        == 0
    )
    assert cli.main(["info", "runs/digits-mlp-1"]) == 0 and "512" in capsys.readouterr().out
    assert cli.main(["compare", "runs/digits-mlp-1", "runs/digits-mlp-2"]) == 0
    assert cli.main(["data", "digits", "out=sheet.png"]) == 0
    assert "1,797" in capsys.readouterr().out and (tmp_path / "sheet.png").exists()
    assert cli.main(["report", "runs/digits-mlp-1"]) == 0
    assert cli.main(["sample", "runs/digits-mlp-1", "5", "labels=11"]) == 2


def test_ctrl_c_is_130_and_the_same_command_goes_on(tmp_path):
    command = [sys.executable, "-m", "ganworks", "train", "mlp", "data=digits", "out=run", *SMALL, "budget=100M"]
    command.remove("budget=512")
    env = os.environ | {"LANG": "C", "COLUMNS": "40", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in err and b"same command" in err
    assert len(list((tmp_path / "run" / "state").glob("*.safetensors"))) == 2
    assert max(err) < 128  # LANG=C: plain ASCII


def test_a_closed_pipe_is_no_accident():
    code = f"{sys.executable} -m ganworks recipes | true"
    done = subprocess.run(code, shell=True, capture_output=True, check=True)
    assert b"Traceback" not in done.stderr
