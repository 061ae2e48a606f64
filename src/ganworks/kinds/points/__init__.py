"""Rows of a few numbers, and mixtures of known density (ring8, grid25, spiral) -> new rows."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="points",
    order=180,
    title="points",
    example={"shape": (2,)},
    recipes={"points": ("recipes:points", "domain/points")},
    parts={"domain/points": "domain:Points"},
    default="points",
    noun="rows of 2 or 3 numbers",
    recognise="recognise",
    built_in={"ring8": "points", "grid25": "points", "spiral": "points"},
)
