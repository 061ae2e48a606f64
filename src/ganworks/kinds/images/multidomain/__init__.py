"""Pictures with classes -> the same pictures translated to another class (StarGAN)."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="multidomain",
    order=50,
    title="pictures to pictures, of classes",
    recipes={"stargan": ("recipes:stargan", "domain/multi")},
    parts={
        "domain/multi": "domain:Multi",
        "networks/stargan": "networks:StarNetworks",
        "game/stargan": "game:StarGame",
    },
    group="pictures to pictures",
    remark="of classes",
    options=("label=NAME      the class to make", "tile=256        work in parts of this side: less memory"),
)
