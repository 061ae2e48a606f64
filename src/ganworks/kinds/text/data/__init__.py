"""Texts: files, tokens, the data set."""
