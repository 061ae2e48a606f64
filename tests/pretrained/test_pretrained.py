"""Published networks from files: told by names and shapes, read without trust, the same function when folded."""

import sys
import zipfile

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.pretrained import store
from ganworks.pretrained.architectures.backbone import SameConv2d, fold
from ganworks.pretrained.architectures.mobilenet import KerasMobileNetV2, MobileNetV2
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.pretrained.architectures.table import ARCHITECTURES
from ganworks.pretrained.load import KERAS_FORM, load, told

# parameters of the published networks, those of their last layers in brackets: torchvision, timm, pytorch-fid, DINOv2
PARAMETERS = {
    "mobilenet_v2": 3_504_872 - 1_281_000,
    "vgg16": 138_357_544 - (25_088 * 4096 + 4096) - (4096 * 4096 + 4096) - 4_097_000,
    "vgg19": 20_024_384,
    "squeezenet1_1": 1_235_496 - 513_000,
    "alexnet": 61_100_840 - (9216 * 4096 + 4096) - (4096 * 4096 + 4096) - 4_097_000,
    "resnet18": 11_689_512 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "efficientnet_b0": 5_288_548 - 1_281_000,
    "efficientnet_lite0": 4_652_008 - 1_281_000,
    "inception_v3_fid": 21_785_568,
    "convnext_tiny": 28_589_128 - 769_000,
    "dinov2_vits14": 22_056_576 - 384,
}
SMALL = (MobileNetV2, KerasMobileNetV2, SqueezeNet)


@pytest.fixture(autouse=True)
def one_thread(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))


def lively(net):
    """Random norms as well, so that a wrong fold shows."""
    torch.manual_seed(0)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            low = 0.5 if "running_var" in name else -0.5
            value.copy_(
                torch.rand_like(value) * (1.0 if value.ndim == 1 else 3 / value[0].numel() ** 0.5)
                + low * (value.ndim == 1)
            )
    return net.eval()


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.architecture)
def test_a_network_has_the_parameters_of_the_published_one(kind):
    assert sum(p.numel() for p in kind().parameters()) == PARAMETERS[kind.architecture]


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.architecture)
def test_stages_get_coarser_and_pooled_features_have_the_stated_width(kind):
    net, side = kind().eval(), 56 if kind.size == 224 else 139
    with torch.no_grad():
        stages, pooled = net.stages(torch.zeros(1, 3, side, side)), net(torch.zeros(1, 3, side, side))
    sides = [stage.shape[2] for stage in stages]
    assert len(stages) >= 4 and sides == sorted(sides, reverse=True) and pooled.shape == (1, kind.dim)
    assert tuple(stage.shape[1] for stage in stages) == kind.channels and len(kind.names) == len(stages)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.architecture)
def test_pictures_of_any_size_are_taken_at_their_own(kind):
    net = kind().eval()
    with torch.no_grad():
        assert len(net.stages(net.at_least(torch.rand(1, 1, 20, 30)))) == len(kind.names)
    height, width = 3 * 14 * 8, 4 * 14 * 8
    assert net.at_least(torch.rand(1, 4, height, width)).shape == (1, 3, height, width)
    assert min(net.at_least(torch.rand(1, 3, 50, 70), 112).shape[2:]) == 112


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.architecture)
def test_a_network_is_told_by_its_own_names_and_by_no_others(kind):
    tensors = dict.fromkeys(kind.heads[:0]) | {name: torch.empty(shape) for name, shape in kind.probe}
    assert told(tensors, "file") is kind


@pytest.mark.parametrize("kind", SMALL, ids=lambda kind: kind.__name__)
def test_folded_is_the_same_function(kind):
    net, x = lively(kind()), torch.rand(2, 3, 33, 40)
    with torch.no_grad():
        before = net(x)
        after = fold(net)(x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    assert before.abs().max() > 1e-3 and torch.allclose(before, after, rtol=1e-5, atol=1e-5 * float(before.abs().max()))


def test_padding_same_puts_what_is_uneven_right_and_below():
    conv = SameConv2d(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    with torch.no_grad():
        even = conv(torch.arange(16.0).reshape(1, 1, 4, 4))  # windows start at 0 and 2; one column of zeros behind
        odd = conv(torch.arange(9.0).reshape(1, 1, 3, 3))  # windows start at -1 and 1
    assert even.flatten().tolist() == [45.0, 39.0, 66.0, 50.0]
    assert odd.flatten().tolist() == [8.0, 12.0, 20.0, 24.0]


def test_a_state_dict_of_torchvision_is_told_and_kept_under_the_hash_of_its_file(tmp_path):
    net, path = lively(MobileNetV2()), tmp_path / "mine.pth"
    head = {"classifier.1.weight": torch.zeros(7, 1280), "classifier.1.bias": torch.zeros(7)}
    torch.save(net.state_dict() | head, path)
    found, kept = load(path), store.add(path)
    assert found.key == kept.key and found.key.startswith("mobilenet_v2:") and len(found.sha256) == 64
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        again = store.named("mobilenet_v2")
        assert torch.equal(found.net(x), again.net(x)) and again.sha256 == found.sha256
        assert torch.allclose(found.net(x), net(x), rtol=1e-4, atol=1e-5 * float(net(x).abs().max()))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_checkpoints_hold_their_weights_in_a_table(tmp_path, old):
    path, inside = tmp_path / "a.pt", {f"module.{name}": value for name, value in SqueezeNet().state_dict().items()}
    torch.save({"epoch": 3, "state_dict": inside}, path, _use_new_zipfile_serialization=not old)
    assert load(path).key.startswith("squeezenet1_1:")


def test_keras_form_is_told_by_the_texts_of_a_safetensors_file(tmp_path):
    weights.write(tmp_path / "a.safetensors", state(MobileNetV2()), {"about": f"MobileNetV2, {KERAS_FORM}"})
    assert type(load(tmp_path / "a.safetensors").net) is KerasMobileNetV2
    kept = store.add(tmp_path / "a.safetensors")
    assert type(store.named(kept.key).net) is KerasMobileNetV2


class _Harm:
    def __reduce__(self):
        return print, ("harm",)


def _packed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 1000)


def _greedy(path):
    with zipfile.ZipFile(path, "w") as archive:  # bytearray(2 ** 40), which torch's reader of weights would make
        archive.writestr("a/data.pkl", b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.")


def _spread(path):
    torch.save({"features.0.weight": torch.zeros(1).expand(10**6)}, path)


WRONG = {
    "code": (lambda path: torch.save({"a": _Harm()}, path), "it names '(__builtin__|builtins).print'"),
    "old-code": (lambda path: torch.save(_Harm(), path, _use_new_zipfile_serialization=False), "builtins?__.print"),
    "memory": (_greedy, "it names 'builtins.bytearray'"),
    "packed": (_packed, "not as PyTorch writes one"),
    "cut": (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "cannot be read as weights alone"),
    "page": (lambda path: path.write_text("<html>not found</html>"), "web page in place"),
    "empty": (lambda path: path.write_bytes(b""), "no weights in a form"),
    "spread": (_spread, "no plain tensor"),
    "text": (lambda path: torch.save("words", path), "no named tensors"),
    "other": (lambda path: torch.save({"a.weight": torch.zeros(2)}, path), "no network that is known"),
    "nan": (lambda path: torch.save({"a": torch.tensor([float("nan")])}, path), "NaN or infinite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_network_is_refused_in_a_sentence(tmp_path, capsys, case):
    make, said = WRONG[case]
    make(tmp_path / "a.pth")
    with pytest.raises(UsageError, match=said):
        load(tmp_path / "a.pth")
    assert "harm" not in capsys.readouterr().out


def test_a_network_with_a_wrong_shape_is_refused_with_its_place(tmp_path):
    tensors = state(SqueezeNet()) | {"features.9.squeeze.bias": torch.zeros(3)}
    del tensors["features.4.squeeze.bias"]
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(
        UsageError, match=r"looks like squeezenet1_1(?s:.*)missing: features.4(?s:.*)shape of features.9"
    ):
        load(tmp_path / "a.pth")


def test_a_known_name_with_another_content_is_refused(tmp_path):
    path = tmp_path / "squeezenet1_1-b8a52dc0.pth"
    torch.save(SqueezeNet().state_dict(), path)
    with pytest.raises(UsageError, match="not the file squeezenet1_1-b8a52dc0 that was published"):
        store.add(path)


def test_a_network_that_is_not_here_is_told_how_to_get():
    with pytest.raises(UsageError, match=r"not on this machine. `ganworks features get mobilenet_v2-b0353104`"):
        store.named("mobilenet_v2")
    with pytest.raises(UsageError, match='Did you mean "random"'):
        store.named("randm", ("random",))
    with pytest.raises(UsageError, match=r"Cannot read there/is/none\.pth"):
        store.named("there/is/none.pth")


def test_features_do_not_depend_on_the_batch_and_take_grey_and_transparent_pictures(tmp_path):
    torch.save(SqueezeNet().state_dict(), tmp_path / "a.pth")
    found = load(tmp_path / "a.pth")
    found.net.size = 32
    x = np.random.default_rng(0).integers(0, 256, (19, 1, 20, 30), dtype=np.uint8)
    grey = PublishedFeatures(Spec("images", (1, 20, 30)), found)
    all_, same = grey(x), PublishedFeatures(Spec("images", (4, 20, 30)), found)(np.repeat(x, 4, 1))
    assert all_.shape == (19, 512) and all_.dtype == np.float32 and grey(x[:0]).shape == (0, 512)
    assert np.allclose(all_[17:], grey(x[17:]), atol=1e-5) and np.allclose(all_, same, atol=1e-5)
    with pytest.raises(UsageError, match="pictures with 1, 3 or 4 channels; this data is points"):
        PublishedFeatures(Spec("points", (2,), low=-4.0, high=4.0, dtype="float32"), found)


def test_a_keras_file_without_h5py_says_how_to_install_it(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"Keras file.*pip install 'ganworks\[keras\]'"):
        load(tmp_path / "a.h5")
