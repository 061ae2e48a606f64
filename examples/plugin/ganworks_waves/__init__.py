"""Waves of equal length, one in each line of a .waves file -> more of them."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="waves",
    title="waves",
    recipes={"waves": ("recipes:waves", "domain/waves")},
    parts={"domain/waves": "domain:Waves"},
    default="waves",
    noun="waves",
    recognise="recognise",
    reads=("waves: a .waves file, numbers with spaces between them, a wave in each line.",),
    settings="waves: held_out",
    examples=("ganworks sample runs/tides-waves-1 1000 out=more.waves",),
)
PARTS = {"networks/plain": "networks:Plain", "loss/softened": "loss:SOFTENED"}
