"""Time series: windows of a long one, or many of any length -> new ones."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="series",
    order=160,
    title="time series",
    example={"shape": (24, 3)},
    recipes={
        "series": ("recipes:series", "domain/series"),
        "timegan": ("recipes:timegan", "domain/series"),
    },
    parts={
        "domain/series": "domain:SeriesDomain",
        "networks/series": "networks.families:SeriesNetworks",
        "networks/timegan": "networks.timegan:TimeGAN",
        "game/series": "game:SeriesGame",
        "game/timegan": "timegan_game:TimeGANGame",
    },
    default="series",
    noun="steps in time",
    recognise="recognise",
    reads=("series: .csv, .tsv (also .gz), .parquet, or a folder of them.",),
)
