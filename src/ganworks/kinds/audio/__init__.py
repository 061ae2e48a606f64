"""Short recordings (WAV, FLAC, OGG at any rate) -> new recordings, with or without classes."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="audio",
    order=110,
    title="sound",
    example={"shape": (1, 16_000), "facts": {"rate": 16_000}},
    recipes={
        "audio": ("recipes:audio", "domain/audio"),
        "wavegan": ("recipes:wavegan", "domain/audio"),
        "specgan": ("recipes:specgan", "domain/audio"),
    },
    parts={
        "domain/audio": "domain:Audio",
        "networks/wavegan": "networks.waves:WaveGAN",
        "networks/spectrogram": "networks.spectrograms:Spectrogram",
        "game/spectral": "game:SpectrogramGame",
    },
    default="audio",
    noun="sounds",
    recognise="recognise",
    reads=("sounds: a folder or .zip of WAV, FLAC or OGG.",),
    settings="sound: rate ...",
    examples=(
        "ganworks train digits-spoken.zip budget=20m           sounds, a class from each folder or file name",
        "ganworks sample runs/spoken-audio-1 10 labels=seven",
    ),
)
