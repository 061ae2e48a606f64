"""Files of a run that anybody may have written, sealed or not: each verb refuses them in a sentence or does without."""

import json

import pytest

from ganworks.core.config import dump_yaml
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.settings import Config
from ganworks.core.spec import Spec
from ganworks.files.weights import pack, write
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.points.domain import Points
from ganworks.networks.mlp import MLP
from ganworks.report.read import read_run
from ganworks.runs.published import header, load_net, save_generator
from ganworks.runs.run import Run
from ganworks.use.evaluate import evaluate_run

PLAN = {
    "notes": [],
    "total": 9,
    "given": {"data": "ring8"},
    "bf16": False,
    "data": {"fingerprint": "x"},
    "versions": {"torch": "2"},
}
NETS = MLP(hidden=(4,), z_dim=2)
TEXTS = {
    "nested": "[" * 5000,
    "tables": '{"a":' * 5000,
    "digits": '{"total": ' + "9" * 5000 + "}",
    "latin": b'{"a": "\xe9"}',
    "wide": '{"a": 1}'.encode("utf-16"),
    "nulls": bytes(9),
    "half": '{"notes": ["\\ud800"]}',
    "list": "[]",
    "null": "null",
    "number": "7",
    "word": '"x"',
    "empty": "",
    "table": "{}",
    "date": "recipe: 2024-13-45",
    "alias": "a: &a [*a]",
    "tag": "!!python/name:os.system",
}


@pytest.fixture
def run(tmp_path):
    made = Run.create(tmp_path / "run", Config("points", Points(), NETS, Adversarial()), Spec("points", (2,)), PLAN)
    yield made
    made.close()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["config.yaml", "spec.yaml", "plan.json", "manifest.json"])
def test_a_text_that_is_no_description_is_refused(run, name, text):
    content = TEXTS[text] if isinstance(TEXTS[text], bytes) else TEXTS[text].encode()
    if name == "manifest.json":
        run.path(name).write_bytes(content)
    else:
        run.write({name: content})
    assert read_run(run.folder).folder == run.folder
    with pytest.raises(UsageError, match=name.partition(".")[0]) as caught:
        opened = Run.open(run.folder)
        {"config.yaml": opened.config, "spec.yaml": opened.spec, "plan.json": opened.plan}.get(name, run.plan)()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("key", ["domain", "networks", "game", "g", "train"])
@pytest.mark.parametrize(
    "value", ["{is: game/adversarial, x: 1}", "5", "[1]", "null", "{is: os.system}", "{is: [1]}", "{is: {a: 1}}"]
)
def test_a_configuration_of_wrong_parts_is_refused(run, key, value):
    text = dump_yaml(run.config())
    lines, kept = [], True
    for line in text.splitlines():
        kept = kept if line.startswith((" ", "-")) else not line.startswith(f"{key}:")
        lines += [line] if kept else []
    run.write({"config.yaml": "\n".join([*lines, f"{key}: {value}"])})
    with pytest.raises(UsageError):
        run.config()


@pytest.mark.parametrize("counters", ["[1]", "null", "{}", '{"seen": "x"}', "[" * 5000, '{"seen": 1e999}', "9" * 5000])
def test_a_state_with_other_counters_is_passed_over(run, counters):
    name = "state/000000000005.safetensors"
    run.write({name: b"".join(pack({}, {"counters": counters}, name))})
    with pytest.raises(UsageError, match="000000000005"):
        run.load_state()


@pytest.mark.parametrize(
    "change",
    [
        {"networks": None},
        {"networks": {"is": "game/adversarial"}},
        {"networks": {"is": "os.system"}},
        {"spec": 5},
        {"spec": {"kind": "x"}},
        {"spec": {"kind": "x", "shape": [-1]}},
        {"spec": {"kind": "x", "shape": ["9" * 5000]}},
        {"spec": {"kind": "x", "shape": [2], "low": [1]}},
        {"format": "1"},
        {"player": 5},
        {"player": "D"},
        {"use": [1]},
        {"seen": "many"},
        {"main": 1},
        {"networks": {"is": "networks/mlp", "z_dim": -1}},
    ],
    ids=str,
)
def test_a_published_network_with_a_hostile_card_is_refused(tmp_path, change):
    path, spec = tmp_path / "generator.safetensors", Spec("points", (2,))
    save_generator(path, NETS.build(spec)["G"], NETS, spec, seen=1, main=True)
    card = json.loads(header(spec, {"networks": {"is": "networks/mlp", "hidden": [4], "z_dim": 2}})["ganworks"])
    write(path, NETS.build(spec)["G"].state_dict(), {"ganworks": json.dumps({**card, **change})})
    with pytest.raises(GanworksError) as caught:
        load_net(path)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": 2**63}, {"seed": 1.5}, {"count": 0}, {"count": 10**10}, {"count": "7"}], ids=str
)
def test_an_evaluation_refuses_its_numbers_before_it_reads_anything(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        evaluate_run(None, work=None, **wrong)
