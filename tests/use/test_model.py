"""A generator in use: the same bytes in any batch, labels, truncation, marks, loading what is whole and nothing
else."""

from __future__ import annotations

import json
import math
import os
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from ganworks.core.config import to_dict
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.spec import Spec
from ganworks.files import provenance, weights
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP
from ganworks.runs.published import save_generator
from ganworks.use.model import Model, pick_device, slerp

DIGITS = tuple("abcdefghij")


@pytest.fixture(autouse=True)
def _fixed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def _warm(generator: nn.Module) -> nn.Module:
    """Spread the weights, so that the outputs of an untrained network fill the range."""
    with torch.no_grad():
        for p in generator.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return generator


def _model(net=None, shape=(1, 12, 12), classes=DIGITS, **spec) -> Model:
    spec = Spec("images", shape, classes, **spec)
    net = net or MLP(hidden=(32,))
    info = {"networks": to_dict(net), "recipe": "test", "seen": 5}
    return Model(_warm(net.build(spec)["G"]), spec, info, device="cpu")


def _run(tmp_path, net=None, classes=DIGITS):
    """A run folder with a generator and its manifest."""
    net = net or MLP(hidden=(32,))
    spec = Spec("images", (1, 12, 12), classes)
    file = tmp_path / "generator.safetensors"
    entry = {"sha256": save_generator(file, net.build(spec)["G"], net, spec, seen=7, recipe="mlp")}
    entry["bytes"] = file.stat().st_size
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {file.name: entry}}))
    return tmp_path


@pytest.mark.parametrize(
    "net", [MLP(), MLP(norm="batch"), DCGAN(width=8), DCGAN(width=32)], ids=["mlp", "mlp-bn", "dcgan8", "dcgan32"]
)
def test_a_sample_has_the_same_bytes_in_any_batch(net):
    model = _model(net, (3, 17, 23))
    full = model.sample(512, seed=3).data
    assert full.std() > 20, "outputs must vary for this test to mean anything"
    for batch in (1, 2, 7, 100):
        for start in (0, 17, 255, 512 - batch):
            part = model.sample(batch, seed=3, start=start)
            assert np.array_equal(part.data, full[start : start + batch]), (batch, start)
            assert part.indices.tolist() == list(range(start, start + batch))
    assert not np.array_equal(full[0], full[1]) and not np.array_equal(model.sample(1, seed=4).data[0], full[0])


def test_labels_do_not_depend_on_the_batch_either():
    model = _model(DCGAN(width=8))
    names = [DIGITS[k % 7] for k in range(40)]
    full = model.sample(40, labels=names)
    assert full.labels.tolist() == [k % 7 for k in range(40)]
    one = model.sample(1, labels=[names[17]], start=17)
    assert np.array_equal(one.data[0], full.data[17])
    assert np.array_equal(model.sample(1, labels=names[17], start=17).data, one.data)


def test_samples_leave_no_trace_in_the_global_random_state_and_no_change_in_the_module():
    class Noisy(nn.Module):
        z_dim = 4

        def forward(self, z, y=None):
            return torch.tanh(z + torch.randn_like(z))

    spec = Spec("points", (4,), low=-1.0, high=1.0, dtype="float32")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = Model(Noisy(), spec, device="cpu")
    a, b = model.sample(9).data, model.sample(9).data
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(a, b) and np.array_equal(model.sample(1, start=8).data[0], a[8])
    net = MLP(norm="batch").build(Spec("images", (1, 8, 8)))["G"].train()
    Model(net, Spec("images", (1, 8, 8)), device="cpu").sample(3)
    assert net.training and all(p.requires_grad for p in net.parameters())


def test_latents_are_standard_normal_keyed_and_truncation_scales_them():
    model = _model(MLP(z_dim=100))
    z = model.latents(1000, seed=1)
    assert abs(float(z.mean())) < 0.02 and abs(float(z.std()) - 1) < 0.02
    assert len({tuple(row.tolist()) for row in z}) == 1000
    assert torch.equal(model.latents(5, seed=1, start=100), z[100:105])
    assert torch.equal(model.latents(5, seed=1, truncation=0.5), z[:5] * 0.5)
    narrow, wide = (model.sample(200, truncation=t).data.astype(float).std(0).mean() for t in (0.1, 1.0))
    assert narrow < wide


def test_labels_by_number_name_list_and_round_robin():
    model = _model()
    assert model.sample(12).labels.tolist() == [*range(10), 0, 1]
    assert model.sample(3, start=9).labels.tolist() == [9, 0, 1]
    for label in (3, "d", "3", np.int64(3), torch.tensor(3)):
        assert model.sample(2, labels=label).labels.tolist() == [3, 3]
    for labels in ([1, "c"], np.array([1, 2]), torch.tensor([1, 2])):
        assert model.sample(3, labels=labels, start=5).labels.tolist() == [1, 2, 1]
    assert not np.array_equal(model.sample(1, labels=1).data, model.sample(1, labels=2).data)
    assert _model(classes=("7", "5")).sample(1, labels="5").labels.tolist() == [1], "a name goes before a number"


WRONG_LABELS = (
    10**5000,
    10,
    -1,
    2**70,
    1.0,
    True,
    "k",
    "9" * 5000,
    "\x00" * 10**6,
    [],
    [3, 11],
    [None],
    {},
    np.array([0, 12]),
)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"seed": s} for s in (-1, 2**63, 2**64, 1.5, 1.0, "7", True, None, 10**5000)),
        *({"n": n} for n in (0, -1, 10**9 + 1, 10**9, 1.5, True, "4")),
        *({"labels": y} for y in WRONG_LABELS),
        *({"truncation": t} for t in (math.nan, math.inf, -math.inf, 0, -0.0, -1.0, 11, "1", True, None)),
        *({"start": s} for s in (-1, 2**60, 0.5, True)),
    ],
    ids=lambda w: next(iter(w)),
)
def test_values_out_of_range_are_refused(wrong, monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 10**9)
    with pytest.raises(UsageError) as caught:
        _model().sample(**wrong)
    assert len(str(caught.value)) < 400


def test_a_name_is_corrected_and_labels_need_classes():
    with pytest.raises(UsageError, match='Did you mean "ship"'):
        _model(classes=("ship", "frog")).sample(1, labels="shop")
    with pytest.raises(UsageError, match="without labels"):
        _model(classes=()).sample(1, labels=0)


@pytest.mark.parametrize(
    "z",
    [
        torch.full((1, 64), math.nan),
        torch.full((1, 64), math.inf),
        torch.full((1, 64), 1e30),
        torch.zeros(1, 63),
        torch.zeros(64),
        torch.zeros(0, 64),
        torch.zeros(1, 64, dtype=torch.int64),
        torch.zeros(1, 64, 1),
    ],
    ids=["nan", "inf", "1e30", "63", "1d", "none", "int", "3d"],
)
def test_wrong_latents_are_refused(z):
    with pytest.raises(UsageError, match="Latents must be"):
        _model().decode(z)


def test_decode_equals_sample_and_interpolation_walks_the_sphere():
    model = _model()
    z = model.latents(5, seed=2)
    assert np.array_equal(model.decode(z, labels=1).data, model.sample(5, seed=2, labels=1).data)
    path = model.interpolate(2, 9, steps=5, labels="b")
    assert np.array_equal(path.data[0], model.sample(1, seed=2, labels=1).data[0])
    assert np.array_equal(path.data[-1], model.sample(1, seed=9, labels=1).data[0])
    a, b = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    assert torch.allclose(slerp(a, b, 0.5), torch.tensor([0.5, 0.5]).double().sqrt())
    assert torch.equal(slerp(a, a, 0.3), a)


def test_float_data_keeps_its_range():
    model = _model(classes=(), low=-3.0, high=5.0, dtype="float32")
    x = model.sample(50).data
    assert x.dtype == np.float32 and -3 <= x.min() < -2 and 4 < x.max() <= 5
    assert 200 < np.asarray(model.sample(50).grid()).max() <= 255


def test_files_carry_their_marks(tmp_path):
    samples = _model().sample(12, seed=5, start=3)
    for name in ("folder", "a.png", "a.npz", "a.zip", "a.gif", "a.webp", "a.apng"):
        written = samples.save(tmp_path / name)
        note = provenance.read(written[0])
        assert note["digitalSourceType"] == "trainedAlgorithmicMedia" and note["seed"] == 5, name
        assert note["model"] == _fingerprint(samples)
    assert provenance.read(tmp_path / "folder" / "00000007.png")["index"] == 7
    assert provenance.read(tmp_path / "folder" / "00000007.png")["label"] == 7
    raw = (tmp_path / "a.png").read_bytes()
    assert b"digitalsourcetype/trainedAlgorithmicMedia" in raw
    assert "XML:com.adobe.xmp" in Image.open(tmp_path / "a.png").info
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["x"], samples.data) and np.array_equal(arrays["y"], samples.labels)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.namelist()) == 14
        with archive.open("00000003.png") as file:
            assert np.array_equal(np.asarray(Image.open(file)), samples.data[0, 0])
    assert Image.open(tmp_path / "a.webp").n_frames == Image.open(tmp_path / "a.apng").n_frames == 12


def _fingerprint(samples) -> str:
    return samples.facts["model"]


def test_unmarked_files_are_recorded_as_such(tmp_path):
    samples = _model().sample(2)
    for name in ("folder", "a.png", "a.npz", "a.zip"):
        assert provenance.read(samples.save(tmp_path / name, mark=False)[0]) is None
    assert json.loads((tmp_path / "folder" / "samples.json").read_text())["marked"] is False
    assert json.loads((tmp_path / "a.png.unmarked.json").read_text())["marked"] is False
    with pytest.raises(UsageError, match=r"Cannot write samples as '\.jpg'"):
        samples.save(tmp_path / "a.jpg")


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_grids_for_any_number_of_channels(channels):
    samples = _model(shape=(channels, 9, 7), classes=()).sample(5)
    wide, tall = (7, 9) if channels in (1, 3, 4) else (7, 9 * channels)
    times = {9: 7, 18: 3, 45: 1}[tall]  # enlarged to at most 64 pixels
    assert samples.images()[0].size == (wide, tall)
    assert samples.grid().size == (3 * times * wide + 4, 2 * times * tall + 2)
    assert len(samples[1:3]) == 2 and np.array_equal(samples[-1].data[0], samples.data[4])


def test_save_and_load_give_the_same_samples(tmp_path):
    model = _model(DCGAN(width=8))
    model.save(tmp_path / "g.safetensors")
    before = torch.get_rng_state()
    loaded = Model.load(tmp_path / "g.safetensors", device="cpu")
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(loaded.sample(20).data, model.sample(20).data)
    assert loaded.fingerprint == model.fingerprint and loaded.info["seen"] == 5 and loaded.spec == model.spec


def test_a_run_folder_is_checked_against_its_manifest(tmp_path):
    run = _run(tmp_path)
    assert Model.load(run, device="cpu").info["seen"] == 7
    file = run / "generator.safetensors"
    good = file.read_bytes()
    file.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    with pytest.raises(UsageError, match="damaged"):
        Model.load(run)
    with pytest.raises(UsageError, match="damaged"):
        Model.load(file)
    file.write_bytes(good)
    digest = {"files": {"generator.safetensors": {"sha256": "0" * 64, "bytes": len(good)}}}
    (run / "manifest.json").write_text(json.dumps(digest))
    with pytest.warns(UserWarning, match="undamaged .* not the file that manifest.json names"):
        assert Model.load(run, device="cpu").info["seen"] == 7
    tensors, texts = weights.read(file)
    safetensors.torch.save_file(tensors, file, texts)  # a file without a digest of its own
    with pytest.raises(UsageError, match="does not fit the manifest"):
        Model.load(run)


def test_what_the_manifest_says_counts_whatever_the_times_of_files(tmp_path, recwarn):
    run = _run(tmp_path)
    for when in (0, 2 * 10**9):
        os.utime(run / "manifest.json", (when, when))
        assert Model.load(run, device="cpu").sample(1).data.shape == (1, 1, 12, 12)
    assert not [w for w in recwarn if "manifest" in str(w.message)]


def _card(tmp_path, **changes):
    """A generator file whose card was changed by hand."""
    run = _run(tmp_path)
    tensors, texts = weights.read(run / "generator.safetensors")
    card = json.loads(texts["ganworks"])
    for name, value in changes.items():
        card[name] = {**card[name], **value} if isinstance(value, dict) and value else value
    weights.write(tmp_path / "x.safetensors", tensors, {"ganworks": json.dumps(card)})
    return tmp_path / "x.safetensors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": {"hidden": [33]}}, "does not belong to this network"),
        ({"networks": {"is": "networks.dcgan.DCGAN"}}, "Unknown key"),
        ({"networks": {"is": "os.system"}}, "not a dataclass"),
        ({"networks": {"is": "data.spec.Spec"}}, "does not have"),
        ({"networks": {"hidden": [10**9]}}, "a setting of its networks is 1000000000"),
        ({"networks": {"d_hidden": [65536] * 6}}, "would need .* parameters"),
        ({"networks": {"colour": 3}}, 'Unknown key "colour"'),
        ({"networks": None}, r"is damaged: .* at `\$\.networks`"),
        ({"spec": {"shape": [10**9, 10**9]}}, "spec is damaged"),
        ({"spec": {"classes": []}}, "does not belong"),
        ({"format": 2}, "format 2"),
        ({"spec": 3}, r"is damaged: .* at `\$\.spec`"),
    ],
    ids=str,
)
def test_cards_that_lie_are_refused(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        Model.load(_card(tmp_path, **changes))


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        Model.load(tmp_path / "none")
    with pytest.raises(UsageError, match=r"has no generator\.safetensors"):
        Model.load(tmp_path)
    weights.write(tmp_path / "a.safetensors", {"x": torch.ones(1)})
    with pytest.raises(UsageError, match="does not say which networks"):
        Model.load(tmp_path / "a.safetensors")
    model = _model()
    model.generator.out.bias.fill_(math.nan)
    model.save(tmp_path / "nan.safetensors")
    with pytest.raises(UsageError, match="NaN"):
        Model.load(tmp_path / "nan.safetensors")
    with pytest.raises(GanworksError, match="diverged"):
        Model.load(tmp_path / "nan.safetensors", allow_nonfinite=True, device="cpu")


def test_devices_that_are_not_there_are_refused():
    assert pick_device("cpu").type == "cpu" and pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match='Did you mean "cuda"'):
        pick_device("cudda")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="has none"):
            pick_device("cuda:0")


def test_what_does_not_fit_is_refused_with_the_number_that_would(monkeypatch):
    model = _model()
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 11 * model.row_bytes)
    with pytest.raises(UsageError, match=r"n=8: the samples would take .* n=7 would fit. ganworks.use.bulk.generate"):
        model.sample(8)
    assert len(model.sample(7)) == 7
    with pytest.raises(UsageError, match=r"steps=9: the samples of the walk would take about"):
        model.walk([1, 2], 9)
    with pytest.raises(UsageError, match="steps must be from 1 to 100000, not 1000000000"):
        model.walk([1, 2], 10**9)


def test_a_sample_of_absurd_shape_is_refused_before_the_network_runs():
    net = _model().net
    with pytest.raises(UsageError, match=r"A sample of shape \(3, 65536, 65536\) would take about 206.2 GB of memory"):
        Model(net, Spec("images", (3, 65536, 65536)), device="cpu")
