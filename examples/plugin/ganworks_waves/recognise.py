"""When a path holds waves: rules with a rank, asked in the order of ranks; see `ganworks.files.recognise`."""

from ganworks.files.recognise import concluded


def by_suffix(clues):
    return concluded(clues, "is a file of waves", "waves") if clues.name.endswith(".waves") else None


RULES = ((15, by_suffix),)
