"""Players and game of clips: shapes, what is bound to what, first frames, losses, penalties, turns."""

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.penalties import zero_centred
from ganworks.kinds.video.game import ClipGame, mean_over_frames, picked, repeated_labels
from ganworks.kinds.video.networks.critic import ClipCritic, time_folds, time_of
from ganworks.kinds.video.networks.motion_content import MotionContent, Volume
from ganworks.kinds.video.networks.sprites import Anchors

SPEC = Spec("video", (6, 3, 12, 16), ("a", "b"))
SMALL = {"width": 4, "d_width": 4}


def nets(cfg=None, spec=SPEC):
    torch.manual_seed(0)
    return (cfg or MotionContent(**SMALL)).build(spec)


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (5, 3, 8, 8), (16, 3, 20, 12), (7, 1, 32, 16)])
@pytest.mark.parametrize("make", [MotionContent, Volume])
def test_shapes_with_and_without_classes(shape, make):
    for classes in ((), ("a", "b", "c")):
        made = nets(make(**SMALL), Spec("video", shape, classes))
        G, D, y = made["G"], made["D"], torch.tensor([2, 0]) if classes else None
        x = G(torch.randn(2, G.z_dim), y)
        assert x.shape == (2, *shape) and torch.isfinite(x).all() and D(x, y).shape == (2,)
        if classes:
            with pytest.raises(UsageError, match="label"):
                G(torch.randn(2, G.z_dim))
        if "D_frame" in made:
            assert made["D_frame"](x[:, :1], y).shape == (2,)


def test_they_build_without_memory():
    with torch.device("meta"):
        assert nets(MotionContent(first=True, **SMALL))["G"].to_empty(device="meta") is not None
        assert nets(Volume(**SMALL))["D"] is not None


def test_time_is_halved_and_doubled_as_planned():
    assert time_folds(16, 3) == [4, 2, 2] and time_folds(8, 3) == [2, 2, 2] and time_folds(1, 3) == [1, 1, 1]
    assert time_folds(5, 2) == [4, 2] and time_folds(64, 3) == [4, 4, 4]
    assert time_of(16, 3) == (2, [2, 2, 2]) and time_of(5, 3) == (1, [2, 2, 2]) and time_of(1, 2) == (1, [1, 1])


def test_the_critic_is_a_3d_convolution():
    """Folding frames into channels is a convolution whose kernel and stride agree along time."""
    torch.manual_seed(0)
    critic = ClipCritic((4, 3, 8, 8), 4, 0)
    (down,) = critic.downs
    x = torch.randn(2, 4, 3, 8, 8)
    folded = down(x.reshape(2, 12, 8, 8))
    kernel = down.weight.unflatten(1, (4, 3)).transpose(1, 2)
    whole = torch.nn.functional.conv3d(x.transpose(1, 2), kernel, down.bias, (4, 2, 2), (0, 1, 1))
    assert torch.allclose(folded, whole[:, :, 0], atol=1e-5)


def test_every_frame_counts_for_the_critic():
    D = nets()["D"]
    x = torch.randn(1, 6, 3, 12, 16, requires_grad=True)
    grad = torch.autograd.grad(D(x, torch.tensor([0])).sum(), x)[0]
    assert (grad.abs().sum((2, 3, 4)) > 0).all()


def test_content_and_motion_are_apart():
    """The motion is the same whatever the content, and the colours of a clip are the same whatever the motion."""
    G = nets()["G"].eval()
    content, start, _ = G.parts
    z = torch.randn(2, G.z_dim)
    z[1, content:] = z[0, content:]
    seen = []
    G.motion.register_forward_hook(lambda module, args, out: seen.append(out))
    G(z, torch.tensor([0, 0]))
    assert torch.equal(seen[0][0], seen[0][1]) and not torch.equal(seen[0][0, 0], seen[0][0, 1])
    assert G.parts == (content, start, 6 * 4) and sum(G.parts) == G.z_dim
    one = G(z[:1], torch.tensor([0]))
    G.colours.weight.data.zero_()
    assert not torch.equal(G(z[:1], torch.tensor([0])), one), "frames are painted in the colours of the clip"


def test_motion_has_no_way_back_in_time():
    G = nets()["G"].eval()
    z = torch.randn(1, G.z_dim)
    other = z.clone()
    other[:, -4:] += 3  # the noise of the last frame
    a, b = G(z, torch.tensor([0])), G(other, torch.tensor([0]))
    assert torch.equal(a[:, :5], b[:, :5]) and not torch.equal(a[:, 5], b[:, 5])


def test_hills_stand_where_the_places_are():
    anchors = Anchors(4, 2)
    maps = anchors.maps(torch.tensor([[[-0.75, 0.25], [0.25, 0.75]]]), 4, 8)
    assert maps.shape == (1, 8, 4, 8)
    peaks = [divmod(int(m.argmax()), 8) for m in maps[0, :4]]  # narrow hills, then wide ones
    assert peaks[0] == peaks[2] and peaks[0][0] == 0 and peaks[0][1] in (4, 5) and peaks[1][0] == 2
    assert maps[0, 4, 3, 4] > 0 > maps[0, 5, 0, 6], "below the first place, above the second"


def test_a_first_frame_is_where_the_clip_begins():
    G = nets(MotionContent(first=True, **SMALL))["G"].eval()
    z, y, first = torch.randn(3, G.z_dim), torch.tensor([0, 1, 0]), torch.rand(3, 3, 12, 16)
    made = G(z, y, first, torch.tensor([1.0, 0.0, 1.0]))
    assert torch.equal(made[0, 0], first[0]) and torch.equal(made[2, 0], first[2])
    assert torch.allclose(made[1], G(z, y)[1], atol=1e-5), "not given: as without a first frame"
    other = G(z, y, 1 - first)
    assert not torch.allclose(other[0, 1:], made[0, 1:]), "what follows depends on it"
    with pytest.raises(UsageError, match=r"networks\.first=on"):
        nets()["G"](z, y, first)


def batch(x=None, progress=0.0, size=4):
    x = torch.rand(size, *SPEC.shape) * 2 - 1 if x is None else x
    held = {"x": x, "y": torch.arange(size) % 2}
    return Batch(lambda: held, Draw(3, size, slice(None)), size=size, progress=progress, num_classes=2)


def test_turns_and_terms():
    made, game = nets(), ClipGame()
    turns = list(game.turns(0))
    assert [players for players, _ in turns] == [("D", "D_frame"), ("G",)]
    terms = turns[0][1](made, batch())
    assert set(terms) == {"d_loss", "penalty", "f_loss", "f_penalty", "_real", "_fake"}
    assert all(term.shape == (4,) for term in terms.values())
    assert set(turns[1][1](made, batch())) == {"g_loss", "g_frame", "_fake"}
    alone = ClipGame(frame=0.0, r1=0.0, r1_end=0.0)
    assert [players for players, _ in alone.turns(0)] == [("D",), ("G",)]
    assert set(alone.discriminator_turn(nets(Volume(**SMALL)), batch())) == {"d_loss", "_real", "_fake"}
    with pytest.raises(UsageError, match=r"networks\.frames=on"):
        game.discriminator_turn(nets(Volume(**SMALL)), batch())


def test_the_penalty_is_that_of_each_example():
    """r1/2 |grad|^2 of the real and the made clip of a pair, by the reference implementation, one clip at a time."""
    made, b = nets(), batch()
    for net in made.values():
        net.eval()
    game = ClipGame(r1=2.0, r1_end=None)
    terms = game.discriminator_turn(made, b)
    with torch.no_grad():
        fake = game.made(made, batch(b["x"]))[0]
    for k in range(4):
        y = b["y"][k : k + 1]
        parts = [zero_centred(made["D"], x[k : k + 1], 2.0, y) for x in (b["x"], fake)]
        assert torch.allclose(terms["penalty"][k], sum(parts)[0], rtol=1e-3, atol=1e-6)


def test_gammas_fall_with_the_budget():
    made = nets()
    first, last = (ClipGame(r1=8.0, r1_end=0.0).discriminator_turn(made, batch(progress=p)) for p in (0.0, 1.0))
    assert first["penalty"].sum() > 0 and last["penalty"].sum() == 0


def test_own_paint_fades():
    """A frame's own paint is all of it at first, and as much as is asked for later on; the fade is saved with G."""
    made = nets()
    for game, middle, end in ((ClipGame(), 0.5, 0.0), (ClipGame(left=0.2), 0.6, 0.2)):
        for progress, left in ((0.0, 1.0), (game.fade / 2, middle), (game.fade, end), (1.0, end)):
            game.generator_turn(made, batch(progress=progress))["g_loss"].sum().backward()
            assert float(made["G"].fade) == pytest.approx(left), progress
    assert "fade" in made["G"].state_dict()
    G, z = made["G"].eval(), torch.randn(1, made["G"].z_dim)
    seen = []
    for left in (1.0, 0.0):
        G.fade.fill_(left)
        seen.append(G(z, torch.tensor([0])))
    assert not torch.allclose(*seen)


def test_first_frames_of_the_game_are_those_of_the_real_clips():
    """G is asked to draw them again; the critics see its own drawing, so that nothing gives a made clip away."""
    made, x = nets(MotionContent(first=True, **SMALL)), torch.rand(4, *SPEC.shape)
    made["G"].eval()
    with torch.no_grad():
        (always, all_of_them), (never, none) = (ClipGame(given=share).made(made, batch(x)) for share in (1.0, 0.0))
    assert all_of_them.all() and not none.any() and not torch.allclose(always[:, 0], x[:, 0], atol=0.1)
    other = ClipGame(given=1.0).made(made, batch(1 - x))[0]
    assert not torch.allclose(other, always, atol=1e-3), "all of the clip depends on the frame"
    assert torch.equal(ClipGame(given=0.0).made(made, batch(1 - x))[0], never)
    for share in (1.0, 0.0):
        game = ClipGame(given=share, first=3.0)
        off = 3 * (game.made(made, batch(x))[0][:, 0] - x[:, 0]).abs().mean((1, 2, 3)) * share
        assert torch.allclose(game.generator_turn(made, batch(x))["g_first"], off, atol=1e-5)


def test_picked_frames_and_augmented_clips():
    x = torch.arange(24.0).reshape(2, 3, 1, 2, 2)
    frames = picked(x, torch.tensor([[2, 1], [0, 0]]))
    assert torch.equal(frames[:, 0], torch.stack([x[0, 2], x[1, 0], x[0, 1], x[1, 0]]))
    assert (
        mean_over_frames(torch.tensor([1.0, 2.0, 3.0, 4.0]), 2).tolist() == [2, 3]
        and repeated_labels(batch(), 8).tolist() == [0, 1] * 4
    )
    clip = torch.rand(4, 1, 3, 12, 16).expand(4, 6, 3, 12, 16).contiguous()
    moved = ClipGame(augment="translation")._seen(clip, batch())
    assert not torch.equal(moved, clip) and torch.equal(moved[:, 0], moved[:, 5]), "all frames of a clip alike"
    assert set(ClipGame(augment="cutout").generator_turn(nets(), batch())) == {"g_loss", "g_frame", "_fake"}


@pytest.mark.parametrize(
    "wrong", [{"loss": "x"}, {"r1": -1}, {"given": 2}, {"augment": "color"}, {"frame": -1}, {"looks": 0}, {"left": 2}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError):
        ClipGame(**wrong)


def test_networks_for_clips_alone():
    with pytest.raises(UsageError, match=r"clips \[T, C, H, W\]"):
        nets(spec=Spec("images", (3, 8, 8)))
    for wrong in ({"width": 0}, {"modes": -1}):
        with pytest.raises(UsageError, match="at least 1"):
            nets(MotionContent(**wrong))
