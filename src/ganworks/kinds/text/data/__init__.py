"""Texts: files, vocabularies, the data set."""
