"""What an alarm advises: settings that the run has, with values that it does not have yet."""

import re
import zipfile
from pathlib import Path

import pytest
import torch

import ganworks as gw
from ganworks.core.config import from_dict, override, to_dict
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_yaml
from ganworks.core.schema.words import expand
from ganworks.core.settings import Config
from ganworks.training.health import Watch, advice, spread

RUNS = sorted((Path(__file__).parents[1] / "fixtures" / "runs_0_1_0").glob("*.zip"))
KINDS = ("discriminator-won", "divergence", "collapse", "non-finite")


def config_of(path: Path) -> Config:
    """The configuration of a run in a zip."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("config.yaml"))
        return from_dict(Config, read_yaml(archive.read(name), name))


R3GAN = next(path for path in RUNS if path.stem == "r3gan")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.stem)
def test_every_remedy_is_a_setting_that_would_change_something(folder, kind):
    config = config_of(folder)
    told = re.findall(r"([a-z.0-9_]+)=([^\s;]*[^\s;,.])", advice(kind, config, pictures=True))
    assert told
    for name, value in told:
        settings = expand({name: value})
        assert to_dict(override(config, settings)) != to_dict(config), f"{name}={value} is so already"


def test_a_paired_loss_and_fp32_are_not_advised_where_they_are_used():
    config = config_of(R3GAN)
    assert "game.loss" not in advice("collapse", config)
    assert "precision" not in advice("non-finite", override(config, {"train.precision": "fp32"}))
    assert "precision=fp32" in advice("non-finite", override(config, {"train.precision": "bf16"}))


def test_augmentation_is_advised_for_pictures_only():
    config = override(config_of(R3GAN), {"game.augment": ""})
    assert "game.augment=translation,cutout" in advice("discriminator-won", config, pictures=True)
    assert "game.augment" not in advice("discriminator-won", config)


def test_settings_of_the_training_and_the_data_need_no_prefix():
    from ganworks.kinds.images.domain import Images

    assert expand({"precision": "fp32", "channels": "1", "save": 5}, Images) == {
        "train.precision": "fp32",
        "domain.channels": 1,
        "train.save": 5,
    }
    with pytest.raises(UsageError, match=r'no setting "chanels".*"channels"'):
        expand({"chanels": "1"}, Images)
    with pytest.raises(UsageError, match='no setting "width"'):
        expand({"width": "1"}, Images)


def rows(spreads, count=8, classes=3, seed=0):
    """(rows [classes * count, 5], classes): around a centre for each class, with these standard deviations."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(classes).repeat_interleave(count)
    centres = 10 * torch.randn(classes, 5, generator=g)
    return centres[y] + torch.tensor(spreads)[y, None] * torch.randn(len(y), 5, generator=g), y


def test_one_picture_for_each_class_is_a_collapse():
    """The classes differ, so all samples together are as varied as real ones."""
    real, config = rows([1.0, 1.0, 1.0]), config_of(R3GAN)
    watch = Watch(real, config, ("cat", "dog", "eel"))
    made = rows([0.01, 0.01, 0.01], seed=0)
    assert 0.5 < spread(made[0]) / spread(real[0]) < 2
    assert watch.samples(1, made) == []
    (alarm,) = watch.samples(2, made)
    assert alarm.kind == "collapse" and "within cat, dog, eel" in alarm.message and "game." in alarm.advice
    assert watch.samples(3, rows([1.0, 1.0, 1.0], seed=0)) == [], "as varied as real ones"
    assert Watch(real, config).samples(1, made[0]) == [], "without classes there is nothing to look within"


def test_a_single_class_that_collapsed_is_named():
    real, config = rows([1.0, 1.0, 0.0]), config_of(R3GAN)
    watch = Watch(real, config, ("cat", "dog", "eel"))
    for seen in (1, 2):
        found = watch.samples(seen, rows([1.0, 0.02, 0.0]))
    assert "within dog their" in found[0].message, "eels are all alike in the data, too"
    few = Watch(real, config)
    for seen in (1, 2):
        assert few.samples(seen, rows([0.0, 0.0, 0.0], count=3)) == [], "three rows say little"


def test_many_collapsed_classes_are_counted():
    real = rows([1.0] * 12, classes=12)
    watch = Watch(real, config_of(R3GAN))
    watch.samples(1, rows([0.0] * 12, classes=12))
    assert "0, 1, 2, 3, 4 and 7 other classes" in watch.samples(2, rows([0.0] * 12, classes=12))[0].message


def test_a_measure_of_convergence_that_rises_for_long_is_an_alarm():
    config = config_of(R3GAN)
    watch = Watch(torch.rand(8, 3), config, patience=3)
    found = [watch.convergence(seen, value) for seen, value in enumerate((1.0, 0.4, 0.5, 0.9, 0.9, 0.7, 0.9, 0.9, 0.9))]
    assert [len(alarms) for alarms in found] == [0, 0, 0, 0, 0, 0, 0, 0, 1], "0.7 is below twice the lowest, 0.4"
    assert found[-1][0].kind == "divergence" and "is 0.9, more" in found[-1][0].message
    assert not watch.convergence(9, 0.9), "told once, until it has passed"


def test_the_session_looks_at_the_measure_of_began(tmp_path):
    """A D whose error starts to grow: the measure of the last step reaches the watch."""
    x = torch.rand(64, 1, 8, 8).mul(255).byte().numpy()
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "convergence", lambda self, at, value: seen.append(value) or [])
        settings = {"budget": 64, "batch": 16, "train.judge": False, "networks.body.width": 4, "train.threads": 1}
        list(gw.train("began", data=x, out=tmp_path / "run", **settings))
    assert len(seen) == 4 and all(0 < value < 5 for value in seen)
