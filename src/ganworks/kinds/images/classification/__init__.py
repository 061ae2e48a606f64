"""Pictures, of which a few have labels -> a classifier, trained semi-supervised or beside a generator."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="classification",
    order=80,
    title="classes of pictures",
    recipes={
        "classify": ("recipes:classify", "domain/partial"),
        "acgan": ("recipes:acgan", "domain/partial"),
    },
    parts={
        "domain/partial": "domain:Partial",
        "networks/semi": "networks:Semi",
        "networks/semi-conv": "networks:SemiConv",
        "networks/probe": "probe:Probe",
        "networks/acgan": "acgan_networks:ACGAN",
        "game/semi-supervised": "game:SemiSupervised",
        "game/acgan": "acgan_game:AuxiliaryClasses",
    },
    group="classes",
    about={"classify": "few labels suffice"},
)
