"""Recordings: sources, decoding and conversion, the packed data set."""
