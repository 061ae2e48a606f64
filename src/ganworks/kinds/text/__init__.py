"""Lines of text, as words, characters or byte pairs -> new lines."""

from ganworks.core.registry import Kind

KIND = Kind(
    name="text",
    order=130,
    title="text",
    example={"shape": (64,)},
    recipes={
        "text": ("recipes:text", "domain/text"),
        "seqgan": ("recipes:seqgan", "domain/text"),
        "relgan": ("recipes:relgan", "domain/text"),
    },
    parts={
        "domain/text": "domain:Text",
        "networks/text": "networks.language:TextNets",
        "game/sequences": "games.sequences:Sequences",
        "game/soft-tokens": "games.gumbel:SoftTokens",
    },
    default="text",
    noun="lines",
    recognise="recognise",
    reads=("text: a file with one text in each line.",),
    examples=(
        "ganworks train captions.txt budget=20m                one text in each line, in any language",
        "ganworks sample runs/captions-text-1 1000 temperature=0.8 out=captions.txt",
    ),
)
