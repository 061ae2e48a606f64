"""Photos -> larger, sharper or cleaner ones: super-resolution, and restoration, which undoes a named degradation."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="restoration",
    order=60,
    title="photos to better ones",
    recipes={
        "superres": ("recipes:superres", "domain/enlarge"),
        "restore": ("recipes:restore", "domain/restore"),
    },
    parts={
        "domain/restore": "domain:Restore",
        "domain/enlarge": "domain:Enlarge",
        "networks/restorer": "networks:Restorer",
        "game/restoration": "game:Restoration",
    },
    group="pictures to pictures",
    remark="of photos",
    often=("scale=2           superres: how many times larger;   degrade=noise=25   restore: what to undo",),
    options=("tile=256        work in parts of this side: less memory",),
    examples=("ganworks apply runs/superres-1 old.jpg out=large.png",),
)
