"""Networks and game of inpainting."""

import numpy as np
import pytest
import torch
from recipe_checks import check_recipe

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec, key
from ganworks.games.losses import loss
from ganworks.kinds.images.inpainting.game import Inpainting, in_hole, matching, texture
from ganworks.kinds.images.inpainting.masks import Masks
from ganworks.kinds.images.inpainting.networks import Fourier, Inpaint, SpectralTransform
from ganworks.layers.fill import smooth_fill

SMALL = {"width": 8, "blocks": 2, "d_width": 8}


def built(channels=3, size=(32, 32), **settings):
    torch.manual_seed(0)
    return Inpaint(**{**SMALL, **settings}).build(Spec("holes", (channels, *size)))


def pictures(b=2, c=3, h=32, w=32, seed=0):
    x = torch.rand(b, c, h, w, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    mask = Masks(area=(0.2, 0.3))(h, w, Draw(key("inpaint", seed), b, slice(None)))
    return x, mask, torch.cat([x * (1 - mask), mask], 1)


def shaken(G):
    """A generator whose last layer is not zero, as after some training."""
    torch.nn.init.normal_(G.leave.weight, std=0.1)
    torch.nn.init.normal_(G.rough[-1].weight, std=0.1)
    return G


@pytest.mark.parametrize("kind", ["gated", "fourier"])
@pytest.mark.parametrize("patch", [1, 2])
def test_the_generator_begins_as_the_smooth_fill_and_takes_any_size(kind, patch):
    G = built(blocks_of=kind, patch=patch)["G"]
    for size in ((32, 32), (31, 45), (3, 5)):
        x, mask, src = pictures(h=size[0], w=size[1])
        fill, grain = G.parts(src)
        assert torch.equal(fill, smooth_fill(x * (1 - mask), mask))
        assert 0 < grain.abs().mean() < 0.03 and torch.equal(G(src), fill + grain)
        out = shaken(G)(src)
        assert out.shape == x.shape and out.isfinite().all()
        torch.nn.init.zeros_(G.leave.weight)


@pytest.mark.parametrize("kind", ["gated", "fourier"])
def test_every_parameter_learns_and_examples_keep_apart(kind):
    G = shaken(built(blocks_of=kind)["G"])
    _, _, src = pictures()
    out = G(src)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in G.parameters())
    assert torch.allclose(G(src[1:])[0], out[1], atol=1e-5)
    assert torch.equal(G.eval()(src), out.detach()) or torch.allclose(G(src), out, atol=1e-6)


def test_what_lies_in_the_hole_is_never_seen():
    G = shaken(built()["G"])
    x, mask, src = pictures()
    spoilt = torch.cat([torch.where(mask > 0, torch.full_like(x, 7.0), x), mask], 1)
    assert torch.equal(G(src), G(spoilt))


def test_fourier_layers_see_everything_and_plain_ones_do_not():
    """One changed pixel reaches every output through the transform."""
    torch.manual_seed(0)
    layer, x = SpectralTransform(4), torch.randn(1, 4, 24, 36)
    other = x.clone()
    other[..., 0, 0] += 1
    assert ((layer(x) - layer(other)).abs().amax(1) > 1e-7).all()
    near = Fourier(8, 2)
    far = torch.randn(1, 8, 24, 36)
    changed = far.clone()
    changed[:, 0, 0, 0] += 1  # a local channel
    reached = (near(far) - near(changed)).abs().amax(1)[0] > 1e-7
    assert reached[:2, :2].all() and not reached[3:, 3:].any()


def test_the_spectrum_is_in_float32_under_autocast_and_shifts_go_through():
    torch.manual_seed(0)
    layer, x = SpectralTransform(4), torch.randn(1, 4, 16, 20)
    with torch.autocast("cpu", torch.bfloat16):
        assert (layer(x).float() - layer(x.bfloat16()).float()).abs().max() < 0.1
    rolled = layer(x.roll((3, 5), (2, 3)))  # pointwise in frequency: not equal under shifts, but finite and as large
    assert rolled.isfinite().all() and 0.5 < float((rolled.std() / layer(x).std()).detach()) < 2


def test_grain_has_no_low_frequencies_and_no_pattern():
    numbers = built()["G"].grain[0, 0]
    power = torch.fft.fft2(numbers).abs().square()
    assert numbers.std() == pytest.approx(1, abs=0.01) and power[0, 0] < 1e-6
    assert power[:16, :16].mean() < 0.01 * power.mean() and power.max() < 0.02 * power.sum()
    steps = (numbers - numbers.roll(1, 0)).square().mean() + (numbers - numbers.roll(1, 1)).square().mean()
    assert 7 < steps < 7.5  # 4 for white noise, 8 for a chessboard


def test_the_texture_term_moves_the_grain_alone():
    nets = built()
    x, mask, src = pictures()
    shaken(nets["G"])
    game = Inpainting(gan=0.0, match=0.0, hole=0.0, known=0.0, detail=1.0)
    found = game.generator_turn(nets, batch(x, mask, src))
    found["detail"].sum().backward()
    moved = {name for name, p in nets["G"].named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved and all(name.startswith("rough.") for name in moved)


def test_wrong_networks_are_explained():
    with pytest.raises(UsageError, match="gated or fourier"):
        Inpaint(blocks_of="plain")  # pyrefly: ignore
    with pytest.raises(UsageError, match="mask"):
        built()["G"](torch.zeros(1, 3, 16, 16))


def test_means_over_the_hole():
    values, mask = torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)
    mask[..., :2, :2] = 1
    values[:, :, :2, :2] = 3.0
    values[:, :, 3] = 99.0
    assert in_hole(values, mask).tolist() == [3.0]
    logits = torch.tensor([[[[1.0, 5.0], [7.0, 9.0]]]])
    assert in_hole(logits, mask).tolist() == [1.0]  # only the first patch holds filled pixels
    mask[..., :2, 2] = 1  # half of the second
    assert in_hole(logits, mask).item() == pytest.approx((1.0 + 0.5 * 5.0) / 1.5)


def batch(x, mask, src):
    return Batch(lambda: {"x": x, "mask": mask, "src": src}, Draw(0, len(x), slice(None)), size=len(x))


def test_d_is_asked_about_patches_of_the_hole_alone():
    """The terms are those of the loss on the composite, weighted by the share of hole, and nothing else."""
    nets = built()
    shaken(nets["G"])
    x, mask, src = pictures()
    found = Inpainting(loss="non-saturating").discriminator_turn(nets, batch(x, mask, src))
    with torch.no_grad():
        fake = torch.where(mask > 0.5, nets["G"](src), x)
        r, f = nets["D"](x), nets["D"](fake)
        share = torch.nn.functional.adaptive_avg_pool2d(mask, r.shape[2:])
        terms = torch.nn.functional.softplus(-r) + torch.nn.functional.softplus(f)
    assert torch.allclose(found["d_loss"], (terms * share).sum((1, 2, 3)) / share.sum((1, 2, 3)), atol=1e-5)
    assert torch.equal(fake * (1 - mask), x * (1 - mask))


def test_terms_of_g_vanish_for_the_truth_but_the_adversarial_one():
    class Truth(torch.nn.Module):
        def __init__(self, x):
            super().__init__()
            self.x = x

        def parts(self, src):
            return self.x, torch.zeros_like(self.x[:, :1])

    x, mask, src = pictures()
    nets = {"G": Truth(x), "D": built()["D"]}
    found = Inpainting().generator_turn(nets, batch(x, mask, src))
    assert all(found[name].abs().max() == 0 for name in ("l1", "known", "grain", "match", "detail"))
    assert torch.allclose(found["g_loss"], 0.005 * loss("hinge").generator(None, found["_fake"]), atol=1e-6)


def test_l1_in_the_hole_and_on_known_pixels_are_weighted_apart():
    x, mask, src = pictures()

    class Off(torch.nn.Module):
        def parts(self, src):
            return x + torch.where(mask > 0, 0.5, 0.25), torch.full_like(mask, 9.0)

    found = Inpainting(hole=2.0, known=3.0).pixel_turn({"G": Off()}, batch(x, mask, src))
    assert torch.allclose(found["l1"], torch.tensor(1.0)) and torch.allclose(found["known"], torch.tensor(0.75))


def test_texture_knows_energy_but_not_place():
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    moved, mask = noise.roll((5, 9), (2, 3)), torch.ones(1, 1, 64, 64)
    apart = texture(0.3 * noise, 0.3 * moved, mask, 9)
    assert apart < 0.1 * texture(torch.zeros_like(noise), 0.3 * noise, mask, 9)
    assert texture(0.6 * noise, 0.3 * noise, mask, 9) > 10 * apart


def test_the_texture_of_a_whole_hole_may_lie_anywhere_in_it_but_not_beyond():
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    left, right = torch.zeros_like(noise), torch.zeros_like(noise)
    left[:, :, :32, :30], right[:, :, 32:, :30] = noise[:, :, :32, :30], noise[:, :, :32, :30]
    assert texture(left, right, mask) < 0.01 * texture(left, right, mask, 5)
    beyond = left + torch.where(mask > 0, 0, noise)
    beyond[..., 30:34] = 0  # no step across the edge
    assert texture(beyond, left, mask) < 0.02 * texture(torch.zeros_like(left), left, mask)


def test_the_least_texture_term_has_the_mean_energy():
    """Of smooth and rough truths alike, half of the energy of the rough one: not that of their average picture."""
    rough = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    mask, truths = torch.ones(1, 1, 64, 64), (torch.zeros_like(rough), rough)

    def cost(scale):
        return sum(float(texture(scale * rough, truth, mask, 63)) for truth in truths)

    assert min((0.4, 0.5, 0.6, 0.7, 0.8, 1.0), key=cost) == 0.7  # 0.7^2 is about one half


def test_matching_leaves_out_the_logits_and_what_is_known():
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = 1
    real, fake = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)], [torch.ones(1, 2, 4, 4), torch.ones(1, 1, 4, 4)]
    assert matching(real, fake, mask).tolist() == [1.0]
    fake[0][..., 0, 0] = 0
    assert matching(real, fake, mask).tolist() == [0.0]


def test_the_penalty_is_that_of_the_mean_logit():
    nets = built()
    shaken(nets["G"])
    x, mask, src = pictures()
    found = Inpainting(r1=2.0).discriminator_turn(nets, batch(x, mask, src))["r1"]
    real = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(nets["D"](real).flatten(1).mean(1).sum(), real)
    assert torch.allclose(found, slope.square().sum((1, 2, 3)), rtol=1e-4)


def test_phases():
    game = Inpainting(adversarial_from=0.5)
    assert game.phases == (0.0, 0.5)
    assert [p for p, _ in game.turns(0, 0.4)] == [("G",)]
    assert [p for p, _ in game.turns(0, 0.5)] == [("D",), ("G",)]
    assert [p for p, _ in Inpainting(adversarial_from=1.0).turns(0, 1.0)] == [("G",)]
    with pytest.raises(UsageError, match="window"):
        Inpainting(window=4)


@pytest.mark.parametrize("kind", ["gated", "fourier"])
def test_the_recipe_trains_resumes_and_publishes(kind, tmp_path):
    photos = np.random.default_rng(0).integers(0, 255, (14, 24, 20, 3), np.uint8)
    small = {f"networks.{k}": v for k, v in SMALL.items()} | {"networks.blocks_of": kind}
    found = check_recipe("inpaint", photos, tmp_path, size=16, **small)
    assert set(found) == {"G"} and found["G"].use == "apply"
