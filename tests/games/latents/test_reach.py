"""Which losses reach which players in the games with an encoder or codes, and their losses in closed form."""

import copy
import math

import pytest
import torch
from torch.nn.functional import softplus

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.latents.aae import AAE
from ganworks.games.latents.began import BEGAN
from ganworks.games.latents.bigan import BiGAN
from ganworks.games.latents.infogan import InfoGAN, category_information, continuous_information
from ganworks.games.latents.vae_gan import VAEGAN
from ganworks.networks.autoencoder import Autoencoder
from ganworks.networks.compact import Compact
from ganworks.networks.infogan import InfoNetworks
from ganworks.networks.mlp import MLP
from ganworks.networks.reconstructing_critic import BEGANNetworks

torch.set_num_threads(1)
SHAPE = (2, 8, 8)
BODY = Compact(width=4, z_dim=5, norm="none")


def players(networks, classes=0, seed=0):
    torch.manual_seed(seed)
    return networks.build(Spec("images", SHAPE, tuple(map(str, range(classes)))))


def batch(size=6, seed=0, classes=0):
    x = torch.rand(size, *SHAPE, generator=torch.Generator().manual_seed(3)) * 2 - 1
    data = {"x": x, "y": torch.arange(size) % max(1, classes)}
    return Batch(lambda: dict(data), Draw(seed, size, slice(None)), size=size, progress=0.5, num_classes=classes)


def total(terms):
    return sum(v.mean() for k, v in terms.items() if not k.startswith("_"))


def reached(nets, terms, only=None):
    """Players with a gradient from the terms (or the ones named), with nobody frozen."""
    for net in nets.values():
        net.zero_grad()
    kept = {k: v for k, v in terms.items() if not k.startswith("_") and (only is None or k in only)}
    total(kept).backward(retain_graph=True)
    found = {
        name: sum(float(p.grad.abs().sum()) for p in net.parameters() if p.grad is not None)
        for name, net in nets.items()
    }
    return {name for name, size in found.items() if size > 0}


def test_vae_gan_keeps_the_adversarial_loss_from_the_encoder():
    nets, game = players(Autoencoder(body=BODY, judge="examples")), VAEGAN(gamma=0.5)
    assert [who for who, _ in game.turns(0)] == [("D",), ("G",), ("E",)]
    assert reached(nets, game.discriminator_turn(nets, batch())) == {"D"}
    made = game.generator_turn(nets, batch())
    assert "E" not in reached(nets, made) and "G" in reached(nets, made)
    assert "G" in reached(nets, made, {"g_prior"}) and "G" in reached(nets, made, {"g_reconstruction"})
    assert "E" in reached(nets, game.encoder_turn(nets, batch()))
    assert reached(nets, game.encoder_turn(nets, batch()), {"kl"}) == {"E"}


def test_the_encoder_of_vae_gan_does_not_know_what_d_says():
    """Its loss depends on D's features and not on D's logits: another head changes nothing."""
    nets, game = players(Autoencoder(body=BODY, judge="examples")), VAEGAN()
    before = total(game.encoder_turn(nets, batch()))
    with torch.no_grad():
        for name in nets["D"].HEAD:
            member = getattr(nets["D"], name)
            for p in [member] if isinstance(member, torch.Tensor) else ([] if member is None else member.parameters()):
                p.add_(1.0)
    assert torch.equal(before, total(game.encoder_turn(nets, batch())))


def test_gamma_weighs_the_features_in_g_alone():
    """In G their error is a share of its mean, at first exactly; in E it is over twice the learned variance."""
    nets = players(Autoencoder(body=BODY, judge="examples"))
    first = VAEGAN(gamma=0.25).generator_turn(nets, batch())["features"]
    assert float(first.detach().mean()) == pytest.approx(0.25, rel=1e-5)
    alone = VAEGAN(gamma=0.25).encoder_turn(nets, batch())["e_features"]
    assert torch.equal(alone, VAEGAN(gamma=9.0).encoder_turn(nets, batch())["e_features"])
    variance = float(nets["E"].variance)
    nets["E"].variance.mul_(4.0)
    assert variance > 0 and torch.allclose(4 * VAEGAN().encoder_turn(nets, batch())["e_features"], alone)


def test_the_scale_of_the_features_does_not_matter():
    """Features ten times as large have the same losses, with the variance that belongs to them."""
    losses = []
    for scale in (1.0, 10.0):
        nets, game = players(Autoencoder(body=BODY, judge="examples")), VAEGAN()
        plain = nets["D"].features
        nets["D"].features = lambda x, y=None, plain=plain, scale=scale: scale * plain(x, y)
        made = game.generator_turn(nets, batch())["features"]
        losses.append(torch.cat([made, game.encoder_turn(nets, batch())["e_features"]]))
    assert torch.allclose(*losses, rtol=1e-4)


def test_d_of_vae_gan_sees_both_kinds_of_fakes():
    """With D's head at zero all logits are 0 and each term is log 2; both depend on what they should."""
    nets, game = players(Autoencoder(body=BODY, judge="examples")), VAEGAN()
    terms = game.discriminator_turn(nets, batch())
    other = copy.deepcopy(nets)
    with torch.no_grad():
        other["E"].out.bias.add_(2.0)
    changed = game.discriminator_turn(other, batch())
    assert torch.equal(terms["d_prior"], changed["d_prior"])
    assert not torch.equal(terms["d_reconstruction"], changed["d_reconstruction"])
    first, second = (game.generator_turn(n, batch()) for n in (nets, other))
    assert torch.equal(first["g_prior"], second["g_prior"])
    assert not torch.equal(first["g_reconstruction"], second["g_reconstruction"])


def test_an_adversarial_autoencoder_judges_codes_alone():
    nets, game = players(Autoencoder(body=BODY, judge="codes", posterior="point")), AAE()
    assert [who for who, _ in game.turns(0)] == [("G", "E"), ("D",), ("E",)]
    assert reached(nets, game.reconstruction_turn(nets, batch())) == {"G", "E"}
    assert reached(nets, game.discriminator_turn(nets, batch())) == {"D"}
    assert reached(nets, game.encoder_turn(nets, batch())) == {"E", "D"}  # D is frozen in E's turn, G has no part
    judged = game.discriminator_turn(nets, batch())
    prior = nets["D"](Draw(0, 6, slice(None)).normal(5))
    assert torch.allclose(judged["_real"], prior) and not torch.allclose(judged["_fake"], prior)
    assert torch.allclose(judged["d_loss"], softplus(-judged["_real"]) + softplus(judged["_fake"]))
    x = batch()["x"]
    error = (nets["G"](nets["E"](x)) - x).square().flatten(1).mean(1)
    assert torch.allclose(game.reconstruction_turn(nets, batch())["reconstruction"], 10 * error, rtol=1e-5)


@pytest.mark.parametrize("posterior", ["point", "gaussian"])
def test_bigan_exchanges_the_labels(posterior):
    nets, game = players(Autoencoder(body=BODY, judge="both", posterior=posterior)), BiGAN()
    found = game.discriminator_turn(nets, batch())
    r, f = found["_real"], found["_fake"]
    assert torch.allclose(found["d_loss"], softplus(-r) + softplus(f))
    assert torch.allclose(game.inverse_turn(nets, batch())["ge_loss"], softplus(r) + softplus(-f), atol=1e-5)
    assert reached(nets, game.inverse_turn(nets, batch())) == {"G", "E", "D"}
    if posterior == "point":
        x, z = batch()["x"], Draw(0, 6, slice(None)).normal(5)
        assert torch.allclose(r, nets["D"](x, nets["E"](x))) and torch.allclose(f, nets["D"](nets["G"](z), z))


def test_information_in_closed_form():
    category = torch.tensor([0, 2, 1])
    sure = 50.0 * torch.nn.functional.one_hot(category, 3)
    assert category_information(sure, category).tolist() == pytest.approx([math.log(3)] * 3)
    assert category_information(torch.zeros(3, 3), category).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    codes = torch.tensor([[0.5, -1.0]])
    best = 2 * (math.log(2) - 0.5 * math.log(2 * math.pi))
    assert continuous_information(codes, codes).item() == pytest.approx(best)
    assert continuous_information(codes + 0.5, codes).item() == pytest.approx(best - 2 * 0.125)


def test_infogan_gives_the_information_to_g_and_to_the_whole_of_d():
    nets, game = players(InfoNetworks(body=BODY, categories=3, continuous=1)), InfoGAN(categorical=2.0)
    terms = game.discriminator_turn(nets, batch())
    assert reached(nets, terms) == {"D"}
    reached(nets, terms, {"d_category", "d_codes"})
    assert all(float(p.grad.abs().sum()) > 0 for p in nets["D"].hidden.parameters())
    assert float(nets["D"].D.from_image.weight.grad.abs().sum()) > 0  # the trunk, too
    assert nets["D"].D.head.weight.grad is None or float(nets["D"].D.head.weight.grad.abs().sum()) == 0
    made = game.generator_turn(nets, batch())
    assert {"G"} <= reached(nets, made, {"category"}) and {"G"} <= reached(nets, made, {"codes"})
    assert torch.allclose(made["category"], -2.0 * made["_category_nats"])


def test_began_balances_the_errors():
    nets, game = players(BEGANNetworks(body=BODY)), BEGAN(gamma=0.4, lambda_k=0.1)
    D, x = nets["D"], batch()["x"]
    with torch.no_grad():
        D.k.fill_(0.3)
        fake = nets["G"](Draw(0, 6, slice(None)).normal(5))
        real, made = D(x), D(fake)
        by_hand = (D.decoder(D.encoder(x)) - x).abs().flatten(1).mean(1)
    assert torch.allclose(real, by_hand, rtol=1e-5)
    terms = game.discriminator_turn(nets, batch())
    assert torch.allclose(terms["d_real"] + terms["d_fake"], real - 0.3 * made, atol=1e-5)
    balance = float(0.4 * real.mean() - made.mean())
    assert float(terms["_convergence"]) == pytest.approx(float(real.mean()) + abs(balance), rel=1e-5)
    assert reached(nets, terms) == {"D"} and "G" in reached(nets, game.generator_turn(nets, batch()))
    game.after(nets, ("G",))
    assert float(D.k) == pytest.approx(0.3)
    game.after(nets, ("D",))
    assert float(D.k) == pytest.approx(min(1.0, max(0.0, 0.3 + 0.1 * balance)), rel=1e-5)
    D.balance.fill_(-100.0)
    game.after(nets, ("D",))
    assert float(D.k) == 0.0


@pytest.mark.parametrize("game", [VAEGAN, AAE, BiGAN, InfoGAN])
def test_paired_losses_are_refused(game):
    with pytest.raises(UsageError, match="pairs"):
        game(loss="relativistic")


@pytest.mark.parametrize("body", [MLP(hidden=(8,), z_dim=3), BODY])
def test_games_run_by_class_and_in_every_family(body):
    for networks, game in (
        (Autoencoder(body=body, judge="examples"), VAEGAN()),
        (Autoencoder(body=body, judge="codes"), AAE()),
        (Autoencoder(body=body, judge="both"), BiGAN()),
        (InfoNetworks(body=body, categories=3, continuous=1), InfoGAN()),
        (BEGANNetworks(body=body), BEGAN()),
    ):
        nets = players(networks, classes=2)
        for who, loss in game.turns(0):
            assert set(who) <= reached(nets, loss(nets, batch(classes=2)))
