"""Metrics that several kinds of data use: distances between distributions, nearest neighbours, feature extractors,
intervals.
"""
