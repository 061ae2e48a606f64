"""Checks of data, each a function of plain arrays or texts that knows no kind of data."""
