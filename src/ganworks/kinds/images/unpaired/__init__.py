"""Two sets of pictures without pairs (trainA/, trainB/) -> pictures of one set in the style of the other."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="unpaired",
    order=40,
    title="pictures to pictures, of two sets",
    recipes={
        "cyclegan": ("cycle_recipes:cyclegan", "domain/unpaired"),
        "dualgan": ("cycle_recipes:dualgan", "domain/unpaired"),
        "cut": ("contrastive_recipes:cut", "domain/unpaired"),
        "fastcut": ("contrastive_recipes:fastcut", "domain/unpaired"),
        "sincut": ("contrastive_recipes:sincut", "domain/single"),
    },
    parts={
        "domain/unpaired": "domain:Unpaired",
        "domain/single": "single:Single",
        "networks/cycle": "cycle_networks:CycleNetworks",
        "networks/contrastive": "contrastive_networks:ContrastiveNetworks",
        "game/cycle": "cycle_game:CycleGame",
        "game/contrastive": "contrastive_game:ContrastiveGame",
    },
    default="cyclegan",
    noun="two sets of pictures",
    recognise="recognise",
    group="pictures to pictures",
    remark="of two sets",
    reads=("two sets of pictures: trainA/ and trainB/.",),
    often=("direction=BtoA    pairs and two sets: from the right side, or from B, to the left, or to A",),
    options=(
        "native=on      at the picture's own scale instead of the training's",
        "reverse=on     the other direction, where both were trained (cyclegan, dualgan)",
    ),
    examples=("ganworks apply runs/horse-cyclegan-1 film.mp4 out=zebra.mp4",),
)
