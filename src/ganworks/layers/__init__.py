"""Layers that several kinds of data use."""
