"""Translation between classes: labels that arrive, losses that do what they say, and a toy that reaches its classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from recipe_checks import check_recipe

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.multidomain.domain import Multi, MultiEvaluator, class_number
from ganworks.kinds.images.multidomain.game import StarGame
from ganworks.kinds.images.multidomain.networks import StarNetworks
from ganworks.runs.published import published

SPEC = Spec("multi", (3, 16, 16), ("red", "green", "blue"), source=(3, 16, 16))
SMALL = {"networks.width": 4, "networks.blocks": 1, "networks.d_width": 8, "networks.layers": 2, "train.threads": 1}


def squares(count=240, size=16, seed=0):
    """Grey images with a square in one of three colours, its class: uint8 [n, H, W, 3] and labels."""
    r = np.random.default_rng(seed)
    y = r.integers(3, size=count)
    x = np.empty((count, size, size, 3), np.uint8)
    for image, label in zip(x, y, strict=True):
        image[:] = r.integers(108, 149)
        side = r.integers(5, 9)
        top, left = r.integers(0, size - side, 2)
        colour = np.full(3, 60)
        colour[label] = 200
        image[top : top + side, left : left + side] = colour
    return x, y


def batch_of(count=6, size=16, seed=3):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.rand(count, 3, size, size, generator=g) * 2 - 1, torch.arange(count) % 3
    return Batch(lambda: {"x": x, "src": x, "y": y}, Draw(seed, count, slice(None)), size=count, num_classes=3)


@pytest.mark.parametrize("labels", ["modulate", "maps"])
def test_the_label_changes_the_middle_of_the_image(labels):
    torch.manual_seed(0)
    G = StarNetworks(width=8, blocks=1, d_width=8, labels=labels).build(SPEC)["G"]
    x = torch.rand(2, 3, 18, 33) * 2 - 1  # neither side divides by 4
    a, b = (G(x, torch.full((2,), k)) for k in (0, 1))
    assert a.shape == x.shape and a.abs().max() < 1
    assert (a - b)[:, :, 6:12, 12:20].abs().mean() > 1e-4
    assert torch.equal(G(x[:1], torch.tensor([0])), G(x[:1], torch.tensor([0])))


def test_published_maps_reach_the_inside_through_the_border_alone():
    """Instance norm removes a map that is the same everywhere; zeros around the image make it differ there."""
    torch.manual_seed(0)
    G = StarNetworks(width=8, blocks=2, labels="published", residual=False).build(SPEC)["G"]
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    difference = (G(x, torch.tensor([0])) - G(x, torch.tensor([1]))).abs().mean((0, 1))
    assert difference[0].mean() > 0
    for module in G.modules():  # reflected borders leave nothing of the label
        if isinstance(module, torch.nn.Conv2d) and module.padding_mode == "zeros" and module.stride == (1, 1):
            module.padding_mode = "reflect"
            module._reversed_padding_repeated_twice = [module.padding[0]] * 4
    first = [
        G.enter_norm(G.enter(torch.cat([x, maps], 1))) for maps in (torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16))
    ]
    torch.testing.assert_close(first[0], first[1], atol=1e-4, rtol=0)


def test_the_published_discriminator_doubles_its_channels_in_every_layer():
    nets = StarNetworks(width=4, d_form="strided", d_width=4, layers=6).build(SPEC)
    logits, kinds = nets["D"].both(torch.rand(5, 3, 16, 16))
    assert logits.shape == (5, 1, 1, 1) and kinds.shape == (5, 3)  # 16 pixels can be halved four times
    assert [m.out_channels for m in nets["D"].layers if isinstance(m, torch.nn.Conv2d)] == [4, 8, 16, 32]
    assert torch.equal(nets["D"](torch.ones(1, 3, 16, 16)), nets["D"].both(torch.ones(1, 3, 16, 16))[0])


def test_g_begins_near_its_input():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 16, 16) * 1.8 - 0.9
    built = [StarNetworks(width=8, blocks=1, residual=on).build(SPEC)["G"] for on in (True, False)]
    near, free = (G(x, torch.zeros(2).long()) for G in built)
    assert (near - x).abs().mean() < 0.1 * (free - x).abs().mean()


class Fixed(torch.nn.Module):
    """A judge with known verdicts: patch logit = 5 x mean, class logits = the channel means."""

    def both(self, x):
        return self(x), x.mean((2, 3))

    def forward(self, x):
        return 5 * x.mean((1, 2, 3), keepdim=True)


def test_terms_are_those_of_the_paper():
    batch = batch_of()
    x, y = batch["x"], batch["y"]
    game = StarGame(loss="least-squares", gp=0.0, classify=2.0, cycle=3.0)
    made = []

    def G(src, to):
        made.append(to)
        return 0.5 * src

    terms = game.generator_turn({"G": G, "D": Fixed()}, batch)
    to = made[0]
    assert torch.equal(made[1], y) and ((to >= 0) & (to < 3)).all()  # there as asked, and back as it was
    assert torch.allclose(terms["cycle"], 3 * 0.75 * x.abs().mean((1, 2, 3)), atol=1e-5)
    kinds = F.log_softmax((0.5 * x).mean((2, 3)), 1)
    assert torch.allclose(terms["g_class"], -2 * kinds[torch.arange(6), to], atol=1e-5)
    assert torch.allclose(terms["g_loss"], 0.5 * (2.5 * x.mean((1, 2, 3)) - 1).square(), atol=1e-5)
    terms = game.discriminator_turn({"G": G, "D": Fixed()}, batch_of())
    kinds = F.log_softmax(x.mean((2, 3)), 1)  # the class of real images, as they are labelled
    assert torch.allclose(terms["d_class"], -2 * kinds[torch.arange(6), y], atol=1e-5)


def test_penalties_see_the_slope_of_the_judge():
    nets = {"G": lambda src, to: 0.5 * src, "D": Fixed()}
    terms = StarGame(gp=10.0, r1=2.0).discriminator_turn(nets, batch_of())
    slope = 5 / (3 * 16 * 16) ** 0.5  # 5 x mean: norm of its gradient
    assert torch.allclose(terms["gp"], torch.full((6,), 10 * (slope - 1) ** 2), atol=1e-4)
    assert torch.allclose(terms["r1"], torch.full((6,), slope**2), atol=1e-5)


def test_turns():
    assert [p for p, _ in StarGame(n_critic=2).turns(0)] == [("D",), ("D",), ("G",)]
    with pytest.raises(UsageError, match="hinge"):
        StarGame(loss="relativistic")


def test_batches_and_judge_of_squares(tmp_path):
    data = Multi().open(squares())
    assert data.spec.kind == "multi" and data.spec.source == data.spec.shape == (3, 16, 16)
    batch = Multi(flip=True).batch(data, data.train[:8], Draw(1, 8, slice(None)))
    assert torch.equal(batch["x"], batch["src"]) and batch["y"].tolist() == data.labels[data.train[:8]].tolist()
    evaluator = MultiEvaluator(data, lambda *_: None)
    asked = evaluator.others(data.held)
    assert (asked != data.labels[data.held]).all() and set(asked) == {0, 1, 2}
    paint = [torch.tensor(c).view(1, 3, 1, 1) / 127.5 - 1 for c in ([200, 60, 60], [60, 200, 60], [60, 60, 200])]

    class Painter(torch.nn.Module):
        """Knows where the square is and paints it."""

        def __init__(self):
            super().__init__()
            self.one = torch.nn.Parameter(torch.ones(()))

        def forward(self, src, y):
            inside = src.amax(1, keepdim=True) - src.amin(1, keepdim=True) > 0.5
            return torch.where(inside, torch.cat([paint[k] for k in y]).expand_as(src), src)

    class Idle(Painter):
        def forward(self, src, y):
            return src

    scores = {net: evaluator.score({"G": net()})[0] for net in (Painter, Idle)}
    assert scores[Painter]["agreement"] > 0.9 and scores[Idle]["agreement"] < 0.1
    assert scores[Painter]["cycle"] < 0.001 and scores[Painter]["structure"] > 0.9
    assert scores[Idle]["structure"] == pytest.approx(1)
    settings = {"count": 100, "seed": 0, "pictures": tmp_path / "eval", "progress": None, "about": {}}
    report = evaluator.evaluate({"G": Painter()}, **settings).to_dict()
    agreement = report["metrics"]["agreement"]
    assert agreement["value"] > 0.9 and agreement["floor_low"] < agreement["floor"]
    assert report["metrics"]["kid"]["value"] < 0.2 * report["baselines"]["unchanged image"]["kid"]
    assert report["baselines"]["unchanged image"]["agreement"] < 0.1
    assert sum(row[1] for row in report["tables"][0]["rows"]) == report["count"] == len(data.held)
    assert (tmp_path / "eval" / "classes.png").exists()
    data.held = data.held[:7]
    assert "Only 7 images are held out" in evaluator.evaluate({"G": Painter()}, **settings).warnings[0]


def test_apply_by_name_or_number_at_any_size(tmp_path):
    torch.manual_seed(0)
    domain, G = Multi(), StarNetworks(width=4, blocks=1, d_width=4).build(SPEC)["G"].eval()
    x = torch.rand(1, 3, 21, 40) * 2 - 1
    with torch.inference_mode():
        by_name = domain.apply(G, x, SPEC, {"label": "Green"})
        assert by_name.shape == x.shape
        assert torch.equal(by_name, domain.apply(G, x, SPEC, {"label": "1"}))
        assert not torch.equal(by_name, domain.apply(G, x, SPEC, {"label": "blue"}))
    with pytest.raises(UsageError, match="red, green, blue"):
        domain.apply(G, x, SPEC, {})
    with pytest.raises(UsageError, match='mean "green"'):
        class_number(SPEC, "gren")
    numbered = replace(SPEC, classes=("2", "0", "1"))  # a name counts before a number
    assert class_number(numbered, "0") == 1


def test_data_without_classes_is_refused(tmp_path):
    for n in range(4):
        Image.fromarray(np.full((16, 16, 3), 40 * n, np.uint8)).save(tmp_path / f"{n}.png")
    with pytest.raises(UsageError, match="folder of its own"):
        Multi().open(tmp_path)
    with pytest.raises(UsageError, match="labels"):
        Multi(labels="off").open(squares())


def test_recipe(tmp_path):
    nets = check_recipe("stargan", squares(64), tmp_path, **SMALL)
    assert nets["G"].use == "apply" and nets["G"].spec.classes == ("0", "1", "2")


def test_squares_become_the_asked_colour(tmp_path):
    data = squares()
    settings = {
        "game.loss": "hinge", "game.gp": 0, "game.r1": 0.1, "game.n_critic": 1, "game.cycle": 5, "game.classify": 3,
        "networks.residual": False, "lr": 2e-3, "batch": 16, "budget": 2000, "train.judge": False,
    }  # fmt: skip
    list(gw.train("stargan", data=data, out=tmp_path / "run", **{**SMALL, "train.precision": "fp32", **settings}))
    evaluator = MultiEvaluator(Multi().open(data), lambda *_: None)
    scores = evaluator.score({"G": published(tmp_path / "run")["G"].net.eval()})[0]
    assert scores["agreement"] > 0.9  # unchanged images have 0, a class at random has 0.33
