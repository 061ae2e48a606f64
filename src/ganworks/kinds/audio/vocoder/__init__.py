"""Mel frames, or recordings from which mel frames are computed -> sound."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="vocoder",
    order=120,
    title="mel frames to sound",
    example={"shape": (1, 8192), "facts": {"rate": 22_050, "n_fft": 1024, "hop": 256, "mels": 80}},
    recipes={"vocoder": ("recipes:vocoder", "domain/vocoder")},
    parts={
        "domain/vocoder": "domain:VocoderDomain",
        "networks/vocoder": "networks:VocoderNetworks",
        "game/vocoder": "game:Vocoding",
    },
    group="sound",
    remark="mel frames to sound",
    options=("chunk=2000      frames at a time, without seams",),
    examples=("ganworks apply runs/speech-vocoder-1 talk.flac out=again.wav",),
)
