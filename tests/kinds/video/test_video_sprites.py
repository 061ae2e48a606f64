"""What a clip's content draws once: it moves whole, hides the ground, changes only as its modes say, and takes over."""

import pytest
import torch

from ganworks.core.spec import Spec
from ganworks.kinds.video.networks.motion_content import MotionContent
from ganworks.kinds.video.networks.sprites import SLOW, Anchors, PictureDecoder, Sprites

CODE, MOTION, SIDE = 6, 5, 16


def sprites(modes=0, count=2, cells=8, size=(SIDE, SIDE)):
    """Sprites whose pictures and ground are not zero."""
    torch.manual_seed(0)
    made = Sprites(CODE, MOTION, size, count=count, cells=cells, modes=modes, outputs=3, width=2)
    for picture in (made.ground, made.draw):
        torch.nn.init.normal_(picture.ups[-1].weight, std=0.5)
    return made


def test_pictures_begin_empty_and_have_any_size():
    picture = PictureDecoder(CODE, (12, 20), 2, 5)
    made = picture(torch.randn(3, CODE))
    assert made.shape == (3, 5, 12, 20) and not made.any()
    made.sum().backward()
    assert picture.ups[-1].weight.grad.any(), "and learn"


def test_a_picture_moves_whole():
    """One pixel further is the same picture one pixel further; half a pixel, the mean of both (bilinear)."""
    made, pixel = sprites(count=1), 2 / SIDE
    drawn = torch.randn(1, 1, 4, 8, 8)
    here, down, right, half = (made.laid(drawn, torch.tensor([[at]]))
                               for at in ([0.0, 0.0], [pixel, 0.0], [0.0, pixel], [0.0, pixel / 2]))  # fmt: skip
    assert torch.allclose(here.roll(1, 2), down, atol=1e-5) and torch.allclose(here.roll(1, 3), right, atol=1e-5)
    assert torch.allclose((here + right) / 2, half, atol=1e-5)
    assert torch.allclose(here[:, :, 4:12, 4:12], drawn[:, 0], atol=1e-5), "cells are pixels where sides agree"
    assert not here[:, :, :4].any() and not here[:, :, :, 12:].any()


def test_pictures_keep_their_mass_where_pixels_are_larger_than_cells():
    made = sprites(count=1, cells=16, size=(8, 8))
    drawn = torch.randn(1, 1, 4, 16, 16)
    sums = [made.laid(drawn, torch.tensor([[[at, -at]]])).sum((2, 3)) for at in (0.0, 0.1, 0.25)]
    assert torch.allclose(sums[0], sums[1], atol=1e-3) and torch.allclose(sums[0], sums[2], atol=1e-3)
    flat = made.laid(torch.full((1, 1, 4, 16, 16), 3.0), torch.zeros(1, 1, 2))
    assert torch.allclose(flat[:, :, 3:5, 3:5], torch.tensor(3.0)), "a mean, not a sum"


def test_shares_and_cover():
    """Shares add up to 1; where the cover is whole the ground cannot be seen, where no picture lies it is bare."""
    made = sprites()
    codes, places = torch.randn(2, 4, MOTION), torch.zeros(8, 2, 2)
    shares = made(torch.randn(2, CODE), codes, places)
    assert shares.shape == (8, 3, SIDE, SIDE) and torch.allclose(shares.sum(1), torch.ones(8, SIDE, SIDE), atol=1e-5)
    thing = torch.tensor([0.0, 0.0, 9.0, 20.0] * 2)[:, None, None]
    made.draw.forward = lambda content: thing.expand(len(content), 8, 8, 8)
    one = made(torch.zeros(2, CODE), codes, places)
    change = (one - made(torch.ones(2, CODE), codes, places)).abs()  # another ground
    assert change[:, :, 6:10, 6:10].max() < 1e-3 and change[:, :, :3].max() > 0.1
    more = torch.tensor([9.0, 0.0, 0.0, 20.0])[:, None, None].expand(8, 4, SIDE, SIDE)
    covered = made(torch.zeros(2, CODE), codes, places, more)
    assert (covered[:, 0, 0] > 0.99).all(), "what frames add themselves covers the ground as well"


def test_frames_differ_by_their_modes_alone():
    """At one place a clip without modes stands still, whatever its motion code; modes change it."""
    content, codes, places = torch.randn(2, CODE), torch.randn(2, 4, MOTION), torch.zeros(8, 2, 2)
    still = sprites(modes=0)(content, codes, places).unflatten(0, (2, 4))
    assert torch.equal(still[:, :1].expand_as(still), still)
    made = sprites(modes=2)
    alive = made(content, codes, places).unflatten(0, (2, 4))
    assert not torch.allclose(alive[:, 0], alive[:, 1], atol=1e-3)
    maps, mix = torch.randn(2, 3 * 5, 4, 4), torch.randn(2, 4, 2)
    mixed, parts = made.mixed(maps, mix, 4).unflatten(0, (2, 4)), maps.unflatten(1, (3, 5))
    by_hand = parts[1, 0] + mix[1, 2, 0] * parts[1, 1] + mix[1, 2, 1] * parts[1, 2]
    assert torch.allclose(mixed[1, 2], by_hand, atol=1e-5)


def test_places_go_together():
    """Without ways of their own places keep their distances, wherever they go; they learn these slowly."""
    anchors, codes = Anchors(MOTION, 3), 5 * torch.randn(7, MOTION)
    with torch.no_grad():
        anchors.alone.weight.zero_()
        anchors.alone.bias.zero_()
    places = anchors(codes)
    apart = places - places[:, :1]
    assert torch.allclose(apart, apart[:1].expand_as(apart), atol=1e-5) and places.std(0).min() > 0.05
    anchors(codes / 50).sum().backward()
    together, alone = anchors.middle.bias.grad[0] / 3, anchors.alone.bias.grad[0]
    assert float(alone / together) == pytest.approx(SLOW, rel=0.1)


def test_what_a_frame_draws_on_its_own_is_left_out_once_it_cannot_be_seen():
    """Less than a step of 8 bits lies between the last frame with it and the first without; it is not computed then."""
    torch.manual_seed(0)
    G = MotionContent(width=4, d_width=4).build(Spec("video", (4, 3, 16, 16), ("a", "b")))["G"].eval()
    z, y, seen = torch.randn(2, G.z_dim), torch.tensor([0, 1]), []
    G.stages[0].register_forward_hook(lambda *_: seen.append(1))
    made = []
    for left in (0.5, 0.0011, 0.0009):
        G.fade.fill_(left)
        made.append(G(z, y))
    assert len(seen) == 2 and (made[0] - made[2]).abs().max() > 0.05
    assert (made[1] - made[2]).abs().max() < 2 / 255


def test_a_thing_keeps_its_size_on_any_ground():
    """The area of a thing that goes over a ground of many kinds; were logits added up, the ground would bite it."""
    made, way = sprites(count=1), torch.linspace(-0.5, 0.46, 9)
    ramp = torch.linspace(-1, 1, 8).abs()
    square = 12 - 20 * torch.maximum(ramp[:, None], ramp)
    thing = torch.stack([0 * square, 0 * square, square, square + made.BARE])[None]
    made.draw.forward = lambda content: thing
    ground = 6 * torch.randn(1, 3, SIDE, SIDE)
    ground[:, 2] = -9  # the third colour is the thing's alone
    made.ground.forward = lambda content: ground
    places = torch.stack([way, way.flip(0)], 1)[:, None]
    found = made(torch.randn(1, CODE), torch.randn(1, 9, MOTION), places)
    laid = made.laid(thing.expand(9, -1, -1, -1)[:, None], places)
    added = torch.softmax(ground + laid[:, :-1], 1)
    size = [x[:, 2].sum((1, 2)) for x in (found, added)]
    spread = [float(s.std() / s.mean()) for s in size]
    assert spread[0] < 0.05 and spread[1] > 0.2
