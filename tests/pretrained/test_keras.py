"""Keras's MobileNetV2: its names and shapes, and files of which nothing is followed outside or taken on trust."""

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.pretrained.architectures.mobilenet import KerasMobileNetV2
from ganworks.pretrained.keras_names import to_torchvision
from ganworks.pretrained.load import load

NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
PARTS = ("expand", "depthwise", "project")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def layers():
    """Keras's layer -> torchvision's module, written down from Keras's own source."""
    found = {
        "Conv1": "features.0.0",
        "bn_Conv1": "features.0.1",
        "Conv_1": "features.18.0",
        "Conv_1_bn": "features.18.1",
    }
    for number in range(17):
        name = f"block_{number}" if number else "expanded_conv"
        for at, part in enumerate(PARTS if number else PARTS[1:]):
            inside = f"features.{number + 1}.conv.{at}"
            conv, norm = (
                (inside, f"features.{number + 1}.conv.{at + 1}")
                if part == "project"
                else (f"{inside}.0", f"{inside}.1")
            )
            found |= {f"{name}_{part}": conv, f"{name}_{part}_BN": norm}
    return found


def in_keras(state):
    """A state dict by Keras's names and in its shapes."""
    found = {}
    for layer, module in layers().items():
        if (mean := f"{module}.running_mean") in state:
            assert mean
            found |= {f"{layer}/{theirs}": state[f"{module}.{ours}"] for ours, theirs in NORM.items()}
            continue
        kernel = state[f"{module}.weight"]
        order = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
        found[f"{layer}/{'depthwise_kernel' if layer.endswith('depthwise') else 'kernel'}"] = kernel.permute(*order)
    return found


def test_names_and_shapes_become_those_of_torchvision():
    state = {n: v for n, v in KerasMobileNetV2().state_dict().items() if v.is_floating_point()}
    named = in_keras(state) | {"dense/kernel": torch.zeros(1280, 5), "dense/bias": torch.zeros(5)}
    found = to_torchvision(named)
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
    assert tuple(named["block_1_expand/kernel"].shape) == (1, 1, 16, 96)
    assert tuple(named["block_1_depthwise/depthwise_kernel"].shape) == (3, 3, 96, 1)


def write(path, spoil=lambda file, group: None, head="model_weights/mobilenetv2_1.00_160"):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, value in in_keras(KerasMobileNetV2().state_dict()).items():
            layer, _, weight = name.partition("/")
            file.create_dataset(f"{head}/{layer}/{weight}:0", data=value.numpy())
        spoil(file, file[head])


@pytest.mark.parametrize("head", ["model_weights/mobilenetv2_1.00_160", "top", "/"], ids=["whole", "top", "flat"])
def test_a_file_of_keras_is_read_wherever_its_layers_stand(tmp_path, head):
    write(tmp_path / "a.h5", head=head)
    found = load(tmp_path / "a.h5")
    assert type(found.net) is KerasMobileNetV2 and found.key.startswith("mobilenet_v2:")


def _huge(file, group):
    group.create_dataset("x/kernel", (10**6, 10**6), "f4", chunks=(1000, 1000))


def _outside(file, group):
    group.create_dataset("x/kernel", (2,), "f4", external=[("/etc/hostname", 0, 8)])


def _virtual(file, group):
    import h5py

    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "a", (2,))
    group.create_virtual_dataset("x", layout)


def _soft(file, group):
    import h5py

    group["x"] = h5py.SoftLink("/nowhere")


def _circle(file, group):
    group["x"] = group


def _circles(file, group):
    for name in "abcdefgh":
        group[name] = group


SPOILT = {
    "huge": (_huge, "not in the file itself"),
    "outside": (_outside, "not in the file itself"),
    "virtual": (_virtual, "not in the file itself"),
    "link": (_soft, "link to somewhere else"),
    "circle": (_circle, "without end"),
    "circles": (_circles, "without end"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_file_of_keras_is_refused(tmp_path, case):
    spoil, said = SPOILT[case]
    write(tmp_path / "a.h5", spoil)
    with pytest.raises(UsageError, match=said):
        load(tmp_path / "a.h5")


def test_a_cut_file_of_keras_is_refused(tmp_path):
    write(tmp_path / "a.h5")
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:5000])
    with pytest.raises(UsageError, match="not a sound HDF5"):
        load(tmp_path / "a.h5")
