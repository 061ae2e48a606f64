"""Photos with holes: batches, use on pictures of any size, and how fills are measured."""

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, key
from ganworks.kinds.images.inpainting import measures as holes
from ganworks.kinds.images.inpainting.domain import Holes, with_hole
from ganworks.kinds.images.inpainting.evaluator import InpaintingEvaluator
from ganworks.kinds.images.inpainting.networks import Inpaint
from ganworks.layers.fill import smooth_fill


def some_photos(n=12, h=40, w=52, c=3):
    """Smooth photos of slightly noisy colour, uint8 [n, h, w, c]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:h, 0:w]
    waves = [np.sin(y / rng.uniform(4, 9) + k) + np.cos(x / rng.uniform(4, 9)) for k in range(n * c)]
    return np.clip(np.stack(waves).reshape(n, c, h, w).transpose(0, 2, 3, 1) * 50 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def opened(tmp_path):
    domain = Holes(size=(16, 24), area=(0.2, 0.3), held_out=0.34)
    return domain, domain.open(some_photos(), cache=tmp_path)


def draw(rows=6, part=slice(None)):
    return Draw(key("holes"), rows, part)


def test_a_batch_is_photo_mask_and_photo_with_a_hole(opened):
    domain, data = opened
    batch = domain.batch(data, data.train[:6], draw())
    x, mask, src = batch["x"], batch["mask"], batch["src"]
    assert x.shape == (6, 3, 16, 24) and mask.shape == (6, 1, 16, 24) and src.shape == (6, 4, 16, 24)
    assert data.spec.shape == (3, 16, 24) and data.spec.source == (4, 16, 24)
    assert torch.equal(src[:, 3:], mask) and torch.equal(src[:, :3], x * (1 - mask))
    assert -1 <= x.min() < -0.3 and 0.3 < x.max() <= 1


def test_rows_do_not_depend_on_who_reads_them(opened):
    domain, data = opened
    whole = domain.batch(data, data.train[:6], draw())
    for rank in range(2):
        part = domain.batch(data, data.train[:6][rank::2], draw(part=slice(rank, None, 2)))
        assert all(torch.equal(part[name], whole[name][rank::2]) for name in whole)


def test_zoom_sees_more_of_the_photo(tmp_path):
    """A larger part made smaller is rougher from pixel to pixel on smooth photos."""

    def roughness(zoom):
        domain = Holes(size=12, zoom=zoom)
        data = domain.open(some_photos(), cache=tmp_path)
        x = domain.batch(data, np.resize(data.train, 64), draw(64))["x"]
        return float((x[..., 1:] - x[..., :-1]).abs().mean())

    assert roughness(3.0) > 1.3 * roughness(1.0)


def test_photos_smaller_than_a_crop_are_reflected_and_said(tmp_path):
    domain = Holes(size=64)
    data = domain.open(some_photos(), cache=tmp_path)
    assert domain.batch(data, data.train[:3], draw(3))["x"].shape == (3, 3, 64, 64)
    assert any("smaller than a crop" in note for note in data.summary["notes"])
    assert Holes().open(some_photos(), cache=tmp_path).spec.shape == (3, 40, 40)


def test_grey_arrays(tmp_path):
    data = Holes(size=16).open(some_photos(c=1), cache=tmp_path)
    assert data.spec.shape == (1, 16, 16) and data.spec.source == (2, 16, 16)


def network(channels=3, kind="gated"):
    torch.manual_seed(0)
    from ganworks.core.spec import Spec

    spec = Spec("holes", (channels, 32, 32), source=(channels + 1, 32, 32))
    G = Inpaint(blocks_of=kind, width=8, blocks=2).build(spec)["G"].eval()
    torch.nn.init.normal_(G.leave.weight, std=0.05)
    return G, spec


@pytest.mark.parametrize("kind", ["gated", "fourier"])
@pytest.mark.parametrize("size", [(96, 64), (37, 51)])
def test_known_pixels_are_kept_to_the_bit_and_the_hole_is_filled(kind, size):
    G, spec = network(kind=kind)
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mask = torch.zeros(1, 1, *size)
    mask[..., 10:30, 12:40] = 1
    with torch.inference_mode():
        out = Holes().apply(G, x, spec, {"mask": mask})
        again = Holes().apply(G, torch.where(mask > 0, torch.full_like(x, 0.3), x), spec, {"mask": mask})
    known = (mask == 0).expand_as(x)
    assert torch.equal(out[known], x[known]) and out.shape == x.shape
    assert torch.equal(out, again)  # what was in the hole does not matter
    assert (out != x)[~known].float().mean() > 0.99 and out.abs().max() <= 1


def test_only_the_surroundings_of_a_hole_are_looked_at_and_tiles_agree():
    G, spec = network()
    x = torch.rand(1, 3, 300, 420, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mask = torch.zeros(1, 1, 300, 420)
    mask[..., 100:108, ::16] = 1
    with torch.inference_mode():
        whole = Holes().apply(G, x, spec, {"mask": mask, "tile": 0})
        cut = Holes().apply(G, x, spec, {"mask": mask, "tile": "256"})
    assert (whole - cut).abs().max() < 1 / 127.5
    seen = []
    one = torch.zeros(1, 1, 300, 420)
    one[..., 150, 200] = 1
    Holes().apply(lambda src: seen.append(src.shape) or src[:, :3], x, spec, {"mask": one})  # pyrefly: ignore
    assert seen == [(1, 4, 192, 192)]  # 129 pixels, and the reflection up to a multiple of 64


def test_no_hole_no_work_and_no_mask_is_explained():
    x = torch.zeros(1, 3, 20, 20)
    nothing = {"mask": torch.zeros(1, 1, 20, 20)}
    assert Holes().apply(None, x, network()[1], nothing) is x  # pyrefly: ignore
    with pytest.raises(UsageError, match="mask=FILE"):
        Holes().apply(None, x, network()[1], {})  # pyrefly: ignore
    with pytest.raises(UsageError, match="make them the same"):
        Holes().apply(None, x, network()[1], {"mask": torch.ones(1, 1, 20, 21)})  # pyrefly: ignore
    with pytest.raises(UsageError, match="tile"):
        Holes().apply(None, x, network()[1], {"mask": torch.ones(1, 1, 20, 20), "tile": 16})  # pyrefly: ignore


def test_wrong_settings_are_explained():
    for wrong, word in (({"size": 3}, "size"), ({"masks": "blob"}, "blob"), ({"zoom": 0.5}, "zoom")):
        with pytest.raises(UsageError, match=word):
            Holes(**wrong)


def test_the_judge_scores_shows_and_reports(opened, tmp_path):
    domain, data = opened
    evaluator = InpaintingEvaluator(domain, data)
    nets = {"G": network()[0]}
    torch.nn.init.zeros_(nets["G"].leave.weight)  # the smooth fill itself
    scores, floors, _ = evaluator.score(nets)
    assert evaluator.ready and evaluator.side == 32 and floors == {"energy": 1.0}
    report = evaluator.evaluate(nets, count=40, seed=0, pictures=tmp_path / "eval", progress=lambda *_: None, about={})
    harmonic, mean = report.baselines["harmonic fill"], report.baselines["mean fill"]
    assert scores["hole_l1"] < mean["hole_l1"]
    assert report.metrics["hole_l1"].value == pytest.approx(harmonic["hole_l1"], rel=0.25)
    assert harmonic["energy"] < 1 and (tmp_path / "eval" / "filled.png").exists()
    assert evaluator.show(nets).size[0] > 8 * 32


def test_measures_look_at_the_hole_alone():
    truth = np.zeros((2, 1, 8, 8))
    truth[..., ::2] = 100.0
    mask = np.zeros((2, 1, 8, 8))
    mask[:, :, 2:6, 2:6] = 1
    made = truth.copy()
    made[1, :, 2:6, 2:6] += 51.0
    assert holes.hole_l1(made, truth, mask).tolist() == [0.0, pytest.approx(0.2)]
    assert holes.hole_psnr(made, truth, mask)[1] == pytest.approx(20 * np.log10(5))
    made[:, :, 0] = 7.0  # a known row: not looked at
    assert holes.hole_l1(made, truth, mask)[0] == 0.0 and holes.energy_ratio(truth, truth, mask) == 1.0
    flat = np.where(mask > 0, 50.0, truth)
    assert holes.energy_ratio(flat, truth, mask) < 0.4


def test_steps_in_the_hole_and_across_its_edge_are_told_apart():
    mask = np.zeros((1, 1, 6, 6))
    mask[..., 2:4, 2:4] = 1
    patch = mask * 10.0
    assert holes.gradient_energy(patch, mask).tolist() == [0.0]
    assert holes.gradient_energy(patch, mask, seams=True).tolist() == [8 * 100.0]  # 4 pixels with 2 outer sides each
    patch[..., 2, 2] = 13.0
    assert holes.gradient_energy(patch, mask).tolist() == [2 * 9.0]


def test_mean_fill_and_areas():
    truth = np.arange(16.0).reshape(1, 1, 4, 4)
    mask = np.zeros((1, 1, 4, 4))
    mask[..., 0, 0] = 1
    assert holes.mean_fill(truth, mask)[0, 0, 0, 0] == pytest.approx(8.0)
    values = {"area": np.array([0.05, 0.31, 0.35]), "hole_l1": np.array([1.0, 2.0, 4.0])}
    assert holes.by_area(values) == [("0 to 20 %", 1, {"hole_l1": 1.0}), ("20 to 40 %", 2, {"hole_l1": 3.0})]
    with pytest.raises(UsageError, match="without a hole"):
        holes.hole_l1(truth, truth, np.zeros((1, 1, 4, 4)))


def test_harmonic_metric_agrees_with_the_smooth_fill_on_smooth_pictures():
    y, x = np.mgrid[0:32, 0:32] / 10.0
    truth = (127 + 100 * np.sin(x + y))[None, None]
    mask = np.zeros((1, 1, 32, 32))
    mask[..., 8:20, 9:22] = 1
    near = smooth_fill(torch.from_numpy(truth), torch.from_numpy(mask)).numpy()
    assert holes.hole_l1(holes.harmonic(truth, mask), near, mask)[0] < 0.02


def test_with_hole_puts_nothing_into_the_hole():
    x, mask = torch.ones(1, 1, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert with_hole(x, mask)[0, 0].tolist() == [[0.0, 1.0], [1.0, 1.0]]
