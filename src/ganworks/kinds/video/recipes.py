"""The recipes for clips."""

from __future__ import annotations

from ganworks.core.console.text import counted
from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.video.game import ClipGame
from ganworks.kinds.video.networks.motion_content import MotionContent, Volume

_FOREVER = 1e12  # a half-life so long that `ema_ramp` alone sets the average
_LR = 2e-3


def video(facts: Facts) -> Config:
    """Clips from one content code for all frames and a motion code for each frame, by class where there are classes.

    Paper: MoCoGAN, Tulyakov et al. 2017 (arXiv 1707.04993): a recurrent motion code per frame, an image generator, a
    critic of clips and one of frames. Differences: the paired loss with R1 and R2 (arXiv 2501.05441), averaged weights,
    classes by projection. Each clip has a palette of its own, and layers: sprites that the content code draws once and
    the motion code places in each frame (as in MarioNette, arXiv 2104.14553), so that they do not flicker.
    networks.first=on also learns to continue a given first frame. For minutes on a CPU at 32 pixels; see `ganworks
    help video`.
    """
    return _config("video", facts, MotionContent(), _game(facts))


def video3d(facts: Facts) -> Config:
    """Clips by transposed 3-D convolutions over time and space, one latent for content and motion together.

    Paper: VGAN, Vondrick et al. 2016 (arXiv 1609.02612); this is its one-stream architecture. Differences: the paired
    loss with R1 and R2 (arXiv 2501.05441), averaged weights, classes by projection.
    """
    return _config("video3d", facts, Volume(), _game(facts, frame=0.0))


def _game(facts: Facts, frame: float = 1.0) -> ClipGame:
    """The game, with gammas in proportion to the pixels that a critic sees: 8 to 0.5 for 16 frames of 32 x 32."""
    frames, _, height, width = facts.spec.shape
    high, low = 0.5 * height * width / 1024, 0.03 * height * width / 1024
    return ClipGame(r1=high * frames, r1_end=low * frames, frame=frame, frame_r1=high, frame_r1_end=low)


def _config(name: str, facts: Facts, networks: MotionContent | Volume, game: ClipGame) -> Config:
    adam = Optimizer(lr=_LR, lr_end=_LR / 50, betas=(0.0, 0.99), beta2_start=0.9, warmup=0.02)
    train = Train(batch=16, ema=(_FOREVER,), ema_ramp=0.03)
    length, stride = facts.spec.shape[0], facts.spec.facts.get("stride", 1)
    notes = (
        f"clips of {counted(length, 'frame')}, one of every {stride} (domain.length and domain.stride set others)",
    )
    return Config(name, facts.domain, networks, game, g=adam, d=adam, train=train, notes=notes)
