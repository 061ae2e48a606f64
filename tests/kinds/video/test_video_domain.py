"""Clips from training to files: recipes resume, samples are written in every form, options, the judge, marks."""

import json

import av
import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files import provenance
from ganworks.files.rasters.film import note_of
from ganworks.kinds.video.domain import FixedLatents, Video
from ganworks.kinds.video.metrics import measures
from ganworks.kinds.video.metrics import tracks as shapes
from ganworks.kinds.video.metrics.evaluator import VideoEvaluator
from ganworks.kinds.video.metrics.pictures import filmstrips, sheet
from ganworks.kinds.video.networks.motion_content import MotionContent, Volume
from ganworks.use.model import Model

SIDE, LENGTH = 12, 6


def moving(count=90, seed=0, frames=8, side=SIDE):
    """Clips uint8 [F, side, side, 3] of a bright square that goes right (class 1) or down (0), and the classes."""
    rng = np.random.default_rng(seed)
    clips, y = np.zeros((count, frames, side, side, 3), np.uint8), rng.integers(0, 2, count)
    for clip, kind in zip(clips, y, strict=True):
        at, colour = rng.integers(0, side - frames - 1, 2), rng.integers(80, 256, 3)
        for t in range(frames):
            top, left = at + t * np.array([1 - kind, kind])
            clip[t, top : top + 3, left : left + 3] = colour
    return clips, y


@pytest.fixture(scope="module")
def data():
    clips, y = moving()
    return list(clips), np.array(["down", "right"])[y]


TINY = {"domain.length": LENGTH, "domain.stride": 1, "networks.width": 4, "networks.d_width": 4}


@pytest.mark.parametrize(
    "name, more", [("video", {}), ("video", {"networks.first": True, "domain.flip": True}), ("video3d", {})]
)
def test_recipes_train_resume_and_publish(name, more, data, tmp_path):
    found = check_recipe(name, data, tmp_path, **TINY, **more)
    assert found["G"].card["use"] == "sample"
    model = gw.load(tmp_path / f"{name}-straight")
    assert model.sample(2, labels="right").data.shape == (2, LENGTH, 3, SIDE, SIDE)


SPEC = Spec("video", (5, 3, 8, 8), ("a", "b"), facts={"stride": 2, "fps": 6.0})


def model(cfg=None, spec=SPEC):
    torch.manual_seed(0)
    cfg = cfg or MotionContent(width=4, d_width=4)
    return Model(cfg.build(spec)["G"], spec, {"domain": Video(), "recipe": "video"}, device="cpu")


def test_files_in_every_form_with_marks_and_the_same_bytes(tmp_path):
    one, four = model().sample(1, seed=3), model().sample(4, seed=3)
    for suffix in (".mp4", ".gif", ".webp"):
        for samples in (one, four):
            (path,) = samples.save(tmp_path / f"{len(samples)}{suffix}")
            again = model().sample(len(samples), seed=3).save(tmp_path / f"again{suffix}")[0]
            assert path.read_bytes() == again.read_bytes()
            note = provenance.read(path)
            assert note["generated"] and note["seed"] == 3
        plain = one.save(tmp_path / f"plain{suffix}", mark=False)[0]
        assert b"ganworks" not in plain.read_bytes() and provenance.read(plain) is None
    with Image.open(tmp_path / "1.webp") as film:
        assert film.n_frames == 5
        for k in range(5):
            film.seek(k)
            assert np.array_equal(np.asarray(film.convert("RGB")).transpose(2, 0, 1), one.data[0, k]), "lossless"
        assert film.info["duration"] == round(1000 / 6)
    frames = np.load(four.save(tmp_path / "a.npz")[0])["x"]
    assert frames.dtype == np.uint8 and np.array_equal(frames, four.data)
    assert [clip.shape for clip in four.items] == [(5, 8, 8, 3)] * 4
    assert sorted(p.name for p in four.save(tmp_path / "folder"))[0] == "00000000.mp4"


def test_comments_of_films_that_are_no_marks(tmp_path):
    """Comments of others are no mark, whatever they hold; what is no film is said to be none."""
    frames = np.zeros((2, 3, 16, 16), np.uint8)
    for text, found in (("", None), ("my holiday", None), ("[1]", None), ('{"a": 1}', None)):
        with av.open(str(tmp_path / "a.mp4"), "w") as made:
            made.metadata["comment"] = text
            stream = made.add_stream("libx264", rate=8)
            stream.width = stream.height = 16
            for packet in [*stream.encode(av.VideoFrame.from_ndarray(frames[0].transpose(1, 2, 0))), *stream.encode()]:
                made.mux(packet)
        assert provenance.read(tmp_path / "a.mp4") is found and note_of(tmp_path / "a.mp4") == text
    (tmp_path / "b.mp4").write_bytes(b"no film")
    with pytest.raises(UsageError, match="cannot be read"):
        provenance.read(tmp_path / "b.mp4")


def test_a_sheet_of_clips():
    clips = np.arange(3, dtype=np.uint8)[:, None, None, None, None] * np.ones((3, 2, 1, 8, 8), np.uint8)
    frames = sheet(clips, 2)
    assert frames.shape == (2, 1, 130, 130) and frames[0, 0, 0, 0] == 0 and frames[0, 0, 70, 0] == 2
    assert frames[0, 0, 0, 70] == 1 and frames[0, 0, 70, 70] == 255 and sheet(clips[:1]) is not clips
    assert filmstrips(torch.zeros(2, 20, 3, 8, 8)).size[1] == 100


def test_one_content_or_one_motion_for_all():
    m = model()
    seen = []
    m.net.motion.register_forward_hook(lambda module, args, out: seen.append(out))
    m.sample(3, labels="a", motion=7)
    assert torch.equal(seen[-1][0], seen[-1][1]), "one motion"
    made = m.sample(3, labels="a", content=7)
    assert not torch.equal(seen[-1][0], seen[-1][1]) and not np.array_equal(made.data[0], made.data[1])
    fixed = FixedLatents(m.net, {"content": "7"})
    z = torch.randn(2, m.net.z_dim)
    assert torch.equal(fixed(z, torch.tensor([0, 0]))[0], m.net(fixed_part(m.net, z, fixed), torch.tensor([0, 0]))[0])
    assert np.array_equal(made.data, model().sample(3, labels="a", content="7").data), "the same on every call"
    for wrong, why in (
        ({"content": "x"}, "whole number"),
        ({"colour": 1}, "no option"),
        ({"first": "x"}, "not trained"),
    ):
        with pytest.raises(UsageError, match=why):
            m.sample(1, **wrong)
    with pytest.raises(UsageError, match="does not keep them apart"):
        model(Volume(width=4, d_width=4)).sample(1, motion=1)


def fixed_part(net, z, fixed):
    z = z.clone()
    z[:, : net.parts[0]] = fixed.fixed[: net.parts[0]]
    return z


def test_clips_go_on_from_a_first_frame(tmp_path):
    m = model(MotionContent(width=4, d_width=4, first=True))
    frame = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(frame).save(tmp_path / "first.png")
    made = m.sample(3, first=str(tmp_path / "first.png"))
    assert (np.abs(made.data[:, 0].astype(int) - frame.transpose(2, 0, 1)) <= 1).all()
    assert not np.array_equal(made.data[0, 1], made.data[2, 1]), "what follows is drawn"
    assert np.array_equal(made.data, m.sample(3, first=Image.fromarray(frame)).data)
    assert m.sample(2).data.shape == (2, 5, 3, 8, 8), "without a first frame as well"
    with pytest.raises(UsageError, match="no picture at"):
        m.sample(1, first=str(tmp_path / "no.png"))


# The judge ---------------------------------------------------------------------------------------


def opened(count=700, seed=0):
    clips, y = moving(count, seed)
    return Video(length=LENGTH, stride=1, held_out=0.4).open((list(clips), y))


class Fakes(torch.nn.Module):
    """A generator that gives clips from a list, its latent deciding which."""

    z_dim = 1

    def __init__(self, clips):
        super().__init__()
        self.clips = torch.nn.Parameter(torch.from_numpy(clips).float() / 127.5 - 1)

    def forward(self, z, y=None):
        return self.clips[(z[:, 0].abs() * 1000).long() % len(self.clips)]


def test_the_judge_tells_movement_and_looks(tmp_path):
    dataset = opened()
    config = type("Config", (), {"recipe": "video", "train": type("Train", (), {"seed": 0})})
    evaluator = VideoEvaluator(dataset, config, lambda *_: None)
    real, labels = dataset.raw(dataset.held), dataset.labels[dataset.held]
    noisy = np.random.default_rng(0).normal(0, 40, real.shape)
    kinds = {
        "real": real,
        "still": measures.still_clips(real),
        "shuffled": measures.shuffled(real),
        "noisy": (real + noisy).clip(0, 255).astype(np.uint8),
        "copies": evaluator.train[:256],
    }
    found = {name: evaluator.numbers(clips, labels[: len(clips)]) for name, clips in kinds.items()}
    value = {name: {k: v.value for k, v in found[name].items()} for name in found}
    for name in ("still", "shuffled", "noisy"):
        assert value[name]["fd"] > 3 * value["real"]["fd"], name
        assert value[name]["clip_kd"] > found["real"]["clip_kd"].high, name
    assert value["shuffled"]["frame_kd"] < 0.01 < value["noisy"]["frame_kd"], "frames alone do not see the order"
    assert value["still"]["speed"] == 1 and value["real"]["speed"] < 0.2 and value["shuffled"]["change"] > 0.5
    assert value["real"]["agreement"] > 0.9 and evaluator.numbers(real, 1 - labels)["agreement"].value < 0.1
    assert value["copies"]["nearness"] < 0.1 and 0.7 < value["real"]["nearness"] < 1.4
    nets = {"G": Fakes(real)}
    scores, floor, name = evaluator.score(nets)
    assert set(scores) == {"fd", "speed", "change"} and scores["fd"] < 3 * floor["fd"] and name.startswith("clip-pca")
    report = evaluator.evaluate(nets, count=200, seed=0, pictures=tmp_path, progress=lambda *_: None, about={})
    assert set(report.metrics) == set(value["real"]) and len(report.baselines) == 3
    assert all((tmp_path / name).is_file() for name in report.pictures.values())
    assert provenance.read(tmp_path / "clips.webp")["generated"] and provenance.read(tmp_path / "real.webp") is None
    assert json.dumps(report.to_dict())


@pytest.mark.parametrize(("held", "scored"), [(61, True), (15, False)])
def test_few_held_out_clips_give_wide_intervals_or_say_how_many_are_needed(tmp_path, held, scored):
    dataset = opened(260)
    dataset.held = dataset.held[:held]
    config = type("Config", (), {"recipe": "video", "train": type("Train", (), {"seed": 0})})
    evaluator = VideoEvaluator(dataset, config, lambda *_: None)
    nets = {"G": Fakes(dataset.raw(dataset.held))}
    report = evaluator.evaluate(nets, count=130, seed=0, pictures=tmp_path, progress=lambda *_: None, about={})
    assert (report.metrics != {}) == scored
    if scored:
        fd = report.metrics["fd"]
        assert fd.value < 2 * fd.floor and fd.low < fd.high and fd.floor_low < fd.floor < fd.floor_high
        assert "groups of 61 clips" in report.protocol[1] and not evaluator.ready
    else:
        assert report.warnings[0].startswith("Only 15 clips are held out; scores need 16.")


def test_other_features_can_be_plugged_in():
    class Mean:
        name, sha256, dim = "mean", "0" * 64, 3

        def __call__(self, clips):
            return clips.mean((1, 3, 4)).astype(np.float32)

    config = type("Config", (), {"recipe": "video", "train": type("Train", (), {"seed": 0})})
    evaluator = VideoEvaluator(opened(200), config, lambda *_: None, features=Mean())
    assert evaluator.score({"G": Fakes(evaluator.train)})[2] == "mean@00000000"


def test_first_frame_models_are_judged_by_what_follows():
    dataset = opened(200)
    config = type("Config", (), {"recipe": "video", "train": type("Train", (), {"seed": 0})})
    evaluator = VideoEvaluator(dataset, config, lambda *_: None)

    class Knows(torch.nn.Module):
        """Gives what it is told to give; its first frame is the given one."""

        z_dim, predicts = 1, True

        def __init__(self, guess):
            super().__init__()
            self.guess, self.p = guess, torch.nn.Parameter(torch.zeros(1))

        def forward(self, z, y=None, first=None):
            return torch.cat([first[:, None], self.guess(first)[:, 1:]], 1)

    held = dataset.fetch(dataset.held[:128])["x"]
    ground = torch.full((LENGTH, 3, SIDE, SIDE), -1.0)
    kinds = {
        "still": lambda first: first[:, None].expand(-1, LENGTH, -1, -1, -1),
        "nothing": lambda first: ground.expand(len(first), -1, -1, -1, -1),
        "half right": lambda first: (held + ground) / 2,
        "right": lambda first: held,
    }
    found = {name: evaluator.going_on(Knows(guess))["going_on"].value for name, guess in kinds.items()}
    assert found["nothing"] == pytest.approx(1.0, abs=0.05), "an empty clip is no better than a guess"
    assert found["half right"] == pytest.approx(found["nothing"] / 2) and found["right"] == 0 and found["still"] >= 1


# Measures ----------------------------------------------------------------------------------------


def test_flow_measures_speed():
    wave = 120 + 80 * np.sin(
        np.arange(64)[None] / 4 - np.arange(6)[:, None] * np.array([0.0, 0.25, 0.5])[:, None, None] / 4
    )
    clips = np.broadcast_to(wave[:, :, None, None], (3, 6, 1, 32, 64)).astype(np.uint8)
    assert np.allclose(measures.flow(clips), [0, 0.25, 0.5], atol=0.08)
    assert measures.frame_change(clips)[0] == 0 and (np.diff(measures.frame_change(clips)) > 0).all()


def test_clips_that_swing_back_are_seen():
    there = moving(4)[0].transpose(0, 1, 4, 2, 3)
    back = np.concatenate([there[:, :5], there[:, 3::-1]], 1)
    assert measures.returns(back).all() and not measures.returns(there).any()
    assert not measures.returns(measures.still_clips(there)).any(), "still is not back and forth"


def test_distributions_apart():
    x = np.arange(10.0)
    assert measures.apart(x, x) == 0 and measures.apart(x, x + 100) == 1 and measures.apart(x, x + 5) == 0.5


def test_tracks_of_shapes():
    clips = moving(6, side=32)[0].transpose(0, 1, 4, 2, 3).copy()
    found = shapes.tracks(clips)
    assert (
        (found.things == 1).all()
        and shapes.steady_colour(found.colour).all()
        and (shapes.backwards(found.where) < 1e-6).all()
    )
    assert np.allclose(np.abs(np.diff(found.where, axis=1)).sum(2), 1 / 32), "a pixel a frame"
    clips[0, 2] = 0
    clips[1, 3, :, 28:31, 28:31] = 255
    clips[2, 4] //= 2
    found = shapes.tracks(clips)
    assert found.things[0, 2] == 0 and (found.where[0, 2] == found.where[0, 1]).all(), "the last place seen"
    assert found.things[1, 3] == 2 and shapes.steady_colour(found.colour).tolist() == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    mask = np.zeros((1, 12, 12), bool)
    mask[0, ::2] = True
    mask[0, :, 0] = True
    mask[0, 9, 8:] = False
    assert shapes.count_parts(mask).tolist() == [1] and shapes.count_parts(~mask).tolist() == [6]


def test_directions_are_told_from_centred_tracks():
    clips, y = moving(200)
    where = shapes.tracks(clips.transpose(0, 1, 4, 2, 3)).where
    told = shapes.direction_classifier(where[:100], y[:100])
    assert told.score(shapes.centred(where[100:]), y[100:]) == 1
    assert np.allclose(shapes.centred(where), shapes.centred(where + 0.3)), "where it begins does not count"
    assert shapes.track_distance(where[:100], where[100:]) < 0.05 and shapes.track_distance(where, 1 - where) > 0.5
