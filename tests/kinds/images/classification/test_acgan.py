"""AC-GAN as a source of training images: who learns what from whom, the two phases, and the recipe."""

import pytest
import torch
from recipe_checks import check_recipe
from torch.nn import functional as F

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.classification.acgan_game import AuxiliaryClasses
from ganworks.kinds.images.classification.acgan_networks import ACGAN

SPEC = Spec("images", (1, 8, 8), ("a", "b", "c"))


def batch(count=6, progress=0.0):
    g = torch.Generator().manual_seed(0)
    parts = {
        "x": torch.rand(count, 1, 8, 8, generator=g) * 2 - 1,
        "xl": torch.rand(count, 1, 8, 8, generator=g) * 2 - 1,
    }
    parts["y"] = torch.arange(count) % 3
    return Batch(lambda: parts, Draw(0, count, slice(None)), size=count, num_classes=3, progress=progress)


def nets():
    torch.manual_seed(0)
    return ACGAN(width=4, g_width=2, z_dim=8).build(SPEC)


def total(terms):
    return sum(v.mean() for k, v in terms.items() if not k.startswith("_"))


def test_two_phases():
    game = AuxiliaryClasses(start=0.5)
    assert [who for who, _ in game.turns(0, 0.49)] == [("D",), ("G",), ("C",)]
    assert [who for who, _ in game.turns(0, 0.5)] == [("C",)]
    assert game.phases == (0.0, 0.5)


def test_terms_are_per_example():
    game, players = AuxiliaryClasses(), nets()
    for progress in (0.0, 0.9):
        for _, loss in game.turns(0, progress):
            assert all(v.shape == (6,) for v in loss(players, batch()).values())


def test_the_generator_is_told_by_the_class_head():
    """With the weight of the classes its gradient changes; so it does with the class head."""
    grads = []
    for weight, head in ((0.0, 1.0), (1.0, 1.0), (1.0, 3.0)):
        players = nets()
        with torch.no_grad():
            players["D"].head.g.mul_(head)
        total(AuxiliaryClasses(classes=weight).generator_turn(players, batch())).backward()
        grads.append(torch.cat([p.grad.flatten() for p in players["G"].parameters() if p.grad is not None]))
    assert not torch.allclose(grads[0], grads[1]) and not torch.allclose(grads[1], grads[2])


def test_the_class_terms_are_cross_entropies_of_logits():
    game, players = AuxiliaryClasses(augment="", label_strength=0.0), nets()
    given = batch()
    terms = game.discriminator_turn(players, given)
    told = players["D"](given["xl"])[1]
    torch.testing.assert_close(terms["d_class"], F.cross_entropy(told, given["y"], reduction="none"))
    assert not torch.allclose(terms["d_class"], F.cross_entropy(told.softmax(1), given["y"], reduction="none"))


def test_the_label_changes_what_the_generator_makes():
    G, z = nets()["G"].eval(), torch.randn(2, 8)
    assert not torch.equal(G(z, torch.tensor([0, 0])), G(z, torch.tensor([1, 1])))


def test_generated_images_teach_the_classifier_only_where_asked_for_and_when_they_are_finished():
    for weight, progress in ((0.0, 0.7), (0.5, 0.5), (0.5, 0.7)):
        players = nets()
        terms = AuxiliaryClasses(start=0.6, generated=weight).classifier_turn(players, batch(progress=progress))
        assert ("generated" in terms) == (weight > 0 and progress > 0.6)
        total(terms).backward()
        assert all(p.grad is None for p in players["G"].parameters()), "G is finished"
        assert all(p.grad is not None for p in players["C"].parameters())


def test_the_baseline_has_the_same_views_and_no_generator():
    alone = AuxiliaryClasses(label_strength=0.3).alone()
    assert alone.variant == "supervised" and alone.label_strength == 0.3 and not alone.plays


def test_recipe(tmp_path):
    small = {"networks.width": 4, "networks.g_width": 2, "networks.z_dim": 8, "domain.per_class": 5}
    found = check_recipe("acgan", "digits", tmp_path, **small)
    assert set(found) == {"C", "G"} and found["G"].use == "sample"


def test_wrong_settings():
    with pytest.raises(UsageError, match="start"):
        AuxiliaryClasses(start=1.0)
    with pytest.raises(UsageError, match="no loss"):
        AuxiliaryClasses(loss="hing")
    with pytest.raises(UsageError, match="widths"):
        ACGAN(width=0)
