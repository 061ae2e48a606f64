"""Sounds: files, conversion, the packed data set."""
