"""PatchNCE against a plain loop, and what CUT, FastCUT and SinCUT promise."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.unpaired.contrastive_game import ContrastiveGame, nce, patches, positions
from ganworks.kinds.images.unpaired.contrastive_networks import ContrastiveNetworks, ProjectionHeads
from ganworks.kinds.images.unpaired.cycle_networks import HistoryDiscriminator
from ganworks.kinds.images.unpaired.single import Single, SingleEvaluator

SPEC = Spec("unpaired", (3, 16, 16), source=(3, 16, 16))
SMALL = ContrastiveNetworks(width=4, blocks=2, d_width=4, layers=1, features=8)


def unit(*shape, seed=0):
    v = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return v / v.norm(dim=-1, keepdim=True)


def slow_nce(queries, keys, temperature, across):
    """-log(exp(q.k+ / t) / sum exp(q.k / t)), written with loops over floats."""
    out = []
    for b in range(len(queries)):
        total = 0.0
        for p in range(queries.shape[1]):
            q = queries[b, p].double()
            others = [k for image in (keys if across else keys[b : b + 1]) for k in image.double()]
            below = sum(math.exp(float(q @ k) / temperature) for k in others)
            total -= math.log(math.exp(float(q @ keys[b, p].double()) / temperature) / below)
        out.append(total / queries.shape[1])
    return torch.tensor(out)


@pytest.mark.parametrize("across", [False, True], ids=["image", "batch"])
def test_nce_is_the_published_formula(across):
    q, k = unit(3, 5, 4, seed=1), unit(3, 5, 4, seed=2)
    assert torch.allclose(nce(q, k, 0.5, across), slow_nce(q, k, 0.5, across), atol=1e-5)
    one_place = nce(q[:, :1], k[:, :1], 0.5, across)
    assert bool((one_place > 0).all()) == across  # one place of one image has nothing to be told from


def test_no_gradient_reaches_the_keys():
    q, k = unit(2, 4, 3, seed=1).requires_grad_(), unit(2, 4, 3, seed=2).requires_grad_()
    nce(q, k, 0.07).sum().backward()
    assert q.grad.abs().sum() > 0 and k.grad is None


def test_positions_are_different_places_and_follow_the_draw():
    maps = [torch.zeros(4, 2, 8, 8), torch.zeros(4, 5, 3, 3)]
    at = positions(maps, 16, Draw(1, 4, slice(None)))
    assert [tuple(p.shape) for p in at] == [(4, 16), (4, 9)]  # a map of 9 places gives 9
    for places, m in zip(at, maps, strict=True):
        assert all(len(set(row.tolist())) == len(row) for row in places)
        assert places.min() >= 0 and places.max() < m.shape[2] * m.shape[3]
    again = positions(maps, 16, Draw(1, 4, slice(1, 3)))  # another process's rows see the same numbers
    assert all(torch.equal(a[1:3], b) for a, b in zip(at, again, strict=True))
    assert not torch.equal(at[0], positions(maps, 16, Draw(2, 4, slice(None)))[0])


def test_patches_are_the_features_at_these_places():
    m = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    at = torch.tensor([[7, 0], [19, 6]])
    got = patches([m, m.contiguous(memory_format=torch.channels_last)], [at, at])
    for found in got:
        for b in range(2):
            for n, place in enumerate(at[b].tolist()):
                assert torch.equal(found[b, n], m[b, :, place // 5, place % 5])


class Pointwise(nn.Module):
    """An encoder that treats every pixel alike, so that mirroring commutes with it; translates by `change`."""

    def __init__(self, change=lambda x: x):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1)
        self.change = change

    def forward(self, src, y=None):
        return self.change(src)

    def encode(self, x, layers=()):
        first = self.first(x)
        return [first, self.second(first.tanh())]

    def traced(self, src, layers=()):
        return self(src), self.encode(src, layers)


def pointwise(change=lambda x: x):
    torch.manual_seed(0)
    judge = HistoryDiscriminator(nn.Conv2d(3, 1, 3), 64, (3, 16, 16))
    return {"G": Pointwise(change), "D": judge, "GF": ProjectionHeads((6, 6), 8)}


def batch_of(count=4, size=16, seed=3):
    g = torch.Generator().manual_seed(seed)
    x, src = (torch.rand(count, 3, size, size, generator=g) * 2 - 1 for _ in range(2))
    return Batch(lambda: {"x": x, "src": src}, Draw(seed, count, slice(None)), size=count)


def test_an_output_in_its_place_costs_less_than_one_in_disorder():
    def shuffled(x):
        order = torch.randperm(256, generator=torch.Generator().manual_seed(5))
        return x.flatten(2)[:, :, order].view_as(x)

    game = ContrastiveGame(patches=64, nce=1.0, identity=0.0)
    kept = game.generator_turn(pointwise(), batch_of())["nce"]
    lost = game.generator_turn(pointwise(shuffled), batch_of())["nce"]
    assert (kept + 1 < lost).all()
    assert (lost > math.log(64)).all()  # worse than guessing among 64 places


def test_mirrored_features_are_mirrored_back():
    plain, flipped = ContrastiveGame(identity=0.0), ContrastiveGame(identity=0.0, flip=1.0)
    nets, batch = pointwise(), batch_of()
    src = batch["src"]
    straight = plain.contrast(nets, src, src, Draw(9, 4, slice(None)))
    known = plain.contrast(nets, src, src, Draw(9, 4, slice(None)), maps=nets["G"].encode(src))
    back = flipped.contrast(nets, src, src.flip(3), Draw(9, 4, slice(None)), torch.ones(4, 1, 1, 1, dtype=torch.bool))
    wrong = flipped.contrast(nets, src, src.flip(3), Draw(9, 4, slice(None)), torch.zeros(4, 1, 1, 1, dtype=torch.bool))
    assert torch.allclose(straight, back, atol=1e-5) and torch.allclose(straight, known, atol=1e-5)
    assert (wrong > straight + 1).all()


def test_sources_and_targets_are_contrasted_each_with_themselves():
    torch.manual_seed(0)
    nets, batch = SMALL.build(SPEC), batch_of()
    made = nets["G"](torch.cat([batch["src"], batch["x"]]))
    for negatives in ("image", "batch"):
        game = ContrastiveGame(nce=1.0, negatives=negatives)
        terms = game.generator_turn(nets, batch_of())
        for name, part, given in (("nce", made[:4], batch["src"]), ("identity", made[4:], batch["x"])):
            alone = game.contrast(nets, given, part, Draw(3, 4, slice(None)))
            assert torch.allclose(terms[name], 0.5 * alone, atol=1e-4)


def test_g_is_given_the_mirrored_source():
    given = []
    game, batch = ContrastiveGame(identity=0.0, flip=0.5), batch_of(count=32)
    game.generator_turn(pointwise(lambda x: (given.append(x), x)[1]), batch)
    src = batch["src"]
    mirrored = [torch.equal(a, b) for a, b in zip(given[0], src.flip(3), strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(given[0], src, strict=True)]
    assert sum(mirrored) + sum(kept) == 32 and 6 < sum(mirrored) < 26


def test_terms_of_the_published_games():
    torch.manual_seed(0)
    nets, batch = SMALL.build(SPEC), batch_of()
    cut = ContrastiveGame().generator_turn(nets, batch)
    assert {"g_loss", "nce", "identity"} <= set(cut) and all(v.shape == (4,) for v in cut.values())
    fast = ContrastiveGame(nce=5.0, identity=0.0, flip=0.5).generator_turn(nets, batch)
    assert "identity" not in fast
    single = ContrastiveGame(identity=0.0, l1=2.0, negatives="batch", r1=1.0)
    made, same = nets["G"](batch["src"]), nets["G"](batch["x"])
    terms = single.generator_turn(nets, batch)
    assert torch.allclose(terms["l1"], 2 * (same - batch["x"]).abs().mean((1, 2, 3)), atol=1e-5)
    logits = [nets["D"](x).mean((1, 2, 3)) for x in (batch["x"], made)]
    terms = single.discriminator_turn(nets, batch)
    assert (terms["r1"] > 0).all()
    assert torch.allclose(terms["_real"], logits[0], atol=1e-4)
    assert torch.allclose(terms["_fake"], logits[1], atol=1e-2)  # D sees what G has just made, kept as float16
    assert [players for players, _ in ContrastiveGame().turns(0)] == [("G", "GF"), ("D",)]


def test_the_terms_reach_the_players_that_they_should():
    torch.manual_seed(0)
    nets, batch = SMALL.build(SPEC), batch_of()
    terms = ContrastiveGame().generator_turn(nets, batch)
    (terms["nce"] + terms["identity"]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in nets["GF"].parameters() if p.dim() > 1)
    reached = [p.grad is not None for p in nets["G"].parameters()]
    assert all(reached)  # the encoder as the judge, and everything as the maker of what is judged
    assert all(p.grad is None for p in nets["D"].parameters())


def test_heads_fit_what_the_encoder_gives():
    for blocks in (1, 2, 5):
        nets = dataclasses.replace(SMALL, blocks=blocks).build(SPEC)
        maps = nets["G"].encode(torch.zeros(1, 3, 16, 16))
        assert [m.shape[1] for m in maps] == [head[0].in_features for head in nets["GF"].heads]
        out = nets["GF"]([torch.randn(1, 7, m.shape[1]) for m in maps])
        assert all(torch.allclose(v.norm(dim=-1), torch.ones(1, 7), atol=1e-5) for v in out)


def test_refusals_say_what_to_do():
    with pytest.raises(UsageError, match="as many channels"):
        SMALL.build(Spec("unpaired", (1, 16, 16), source=(3, 16, 16)))
    with pytest.raises(UsageError, match="hinge"):
        ContrastiveGame(loss="relativistic")
    with pytest.raises(UsageError, match="temperature"):
        ContrastiveGame(temperature=0.0)


def stripes(count, across, size=24):
    """Images [n, H, W, 3] of stripes: down in warm or across in cold colours."""
    r = np.random.default_rng(int(across))
    wave = np.sin(np.arange(size)[None] * r.uniform(0.5, 1.5, (count, 1)) + r.uniform(0, 6, (count, 1)))
    lines = np.broadcast_to(wave[:, None, :] if across else wave[:, :, None], (count, size, size))
    colour = np.array([60, 90, 200] if across else [200, 120, 40])
    return (lines[..., None] * 40 + colour).clip(0, 255).astype(np.uint8)


TINY = {"size": 24, "networks.width": 4, "networks.blocks": 1, "networks.d_width": 4, "networks.layers": 1,
        "networks.features": 8, "game.patches": 16}  # fmt: skip


@pytest.mark.parametrize("name", ["cut", "fastcut", "sincut"])
def test_recipes(name, tmp_path):
    sides = stripes(20, False), stripes(20, True)
    if name == "sincut":
        sides = tuple(side[:1].repeat(2, 1).repeat(2, 2) for side in sides)
    nets = check_recipe(name, sides, tmp_path, **{**TINY, "batch": 4, "budget": 24})
    assert list(nets) == ["G"] and nets["G"].use == "apply"  # neither D nor the heads are published


def test_one_image_a_side_becomes_crops_of_it(tmp_path):
    for folder, across in (("trainA", False), ("trainB", True)):
        (tmp_path / folder).mkdir()
        Image.fromarray(stripes(1, across, 120)[0]).save(tmp_path / folder / "only.png")
    domain = Single(size=24, zoom=4.0, flip=False)
    data = domain.open(tmp_path)
    whole = data.whole("source")
    assert whole.shape == (1, 3, 96, 96) and data.spec.shape == data.spec.source == (3, 24, 24)
    batch = domain.batch(data, data.train.repeat(8), Draw(1, 8, slice(None)))
    windows = np.lib.stride_tricks.sliding_window_view(whole[0] / 127.5 - 1, (24, 24), (1, 2))
    for crop in batch["src"].numpy():
        assert (np.abs(windows - crop[:, None, None]).max((0, 3, 4)) < 1e-5).any()
    assert len({crop.tobytes() for crop in batch["src"].numpy()}) > 1
    seen, unseen = data.seen("target", 6), data.unseen("target", 6)
    assert seen.shape == unseen.shape == (6, 3, 24, 24) and not np.array_equal(seen, unseen)
    assert np.array_equal(seen, Single(size=24, zoom=4.0, flip=False).open(tmp_path).seen("target", 6))


def test_one_image_is_applied_at_the_scale_of_its_training():
    sizes = []

    class Same(nn.Module):
        def forward(self, x, y=None):
            sizes.append(tuple(x.shape[2:]))
            return x

    x = torch.linspace(-0.9, 0.9, 70).expand(1, 3, 50, 70)
    out = Single(size=24, zoom=4.0).apply(Same(), x, Spec("unpaired", (3, 24, 24), source=(3, 24, 24)), {})
    assert sizes == [(96, 134)] and out.shape == x.shape
    assert (out - x).abs().mean() < 0.05


def test_the_judge_of_one_image_shows_it_whole():
    data = Single(size=24, zoom=4.0).open((stripes(1, False, 96), stripes(1, True, 96)))
    evaluator = SingleEvaluator(data, "cpu")
    nets = {"G": SMALL.build(data.spec)["G"].eval()}
    assert evaluator.ready and evaluator.show(nets).size == (3 * 96 + 8, 96 + 4)
    scores, floors, _ = evaluator.score(nets)
    assert floors["stats"] < scores["stats"]


def test_noise_is_what_d_sees_and_nothing_else():
    seen = []

    class Looking(nn.Conv2d):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    nets, batch = pointwise(), batch_of()
    nets["D"].net = Looking(3, 1, 3)
    game = ContrastiveGame(identity=0.0, noise=0.5)
    clean = ContrastiveGame(identity=0.0).generator_turn(nets, batch_of())
    noisy = game.generator_turn(nets, batch)
    game.discriminator_turn(nets, batch)
    assert torch.allclose(clean["nce"], noisy["nce"], atol=1e-5)
    assert torch.equal(seen[0], batch["src"])
    for shown, image in ((seen[1], batch["src"]), (seen[2][:4], batch["x"]), (seen[2][4:], batch["src"])):
        assert 0.45 < (shown - image).std() < 0.55
    assert not torch.allclose(seen[2][:4] - batch["x"], seen[2][4:] - batch["src"], atol=0.1)
