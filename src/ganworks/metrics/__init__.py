"""Scores that several kinds of data use: distances, neighbours, features, intervals."""
