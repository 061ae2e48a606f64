"""Photos with holes -> photos whose holes are filled (inpainting)."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="inpainting",
    order=70,
    title="photos with holes",
    recipes={"inpaint": ("recipes:inpaint", "domain/holes")},
    parts={
        "domain/holes": "domain:Holes",
        "networks/inpaint": "networks:Inpaint",
        "game/inpainting": "game:Inpainting",
    },
    group="pictures to pictures",
    remark="of photos",
    options=("tile=256        work in parts of this side: less memory",),
    examples=("ganworks apply runs/photos-inpaint-1 scans/ mask=scratches/ out=clean/ format=png",),
)
