"""Pairs of pictures, side by side in one file or of equal names in two folders -> one side from the other."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="pairs",
    order=30,
    title="pictures to pictures, of pairs",
    recipes={
        "pix2pix": ("recipes:pix2pix", "domain/pairs"),
        "pix2pixhd": ("recipes:pix2pixhd", "domain/pairs"),
        "spade": ("recipes:spade", "domain/pairs"),
    },
    parts={
        "domain/pairs": "domain:Pairs",
        "networks/pix2pix": "unet:Pix2Pix",
        "networks/pix2pixhd": "pix2pixhd:Pix2PixHD",
        "networks/spade": "spade:SPADENetworks",
        "game/paired": "game:PairedTranslation",
    },
    default="pix2pix",
    noun="pairs of pictures",
    recognise="recognise",
    group="pictures to pictures",
    remark="of pairs",
    reads=("pairs: side by side in one image, or folders A/ and B/ with equal names.",),
    often=("direction=BtoA    pairs and two sets: from the right side, or from B, to the left, or to A",),
    options=("native=on      at the picture's own scale instead of the training's",),
    examples=("ganworks train pix2pix pairs.zip direction=BtoA size=64 budget=20m",),
)
