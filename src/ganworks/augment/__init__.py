"""Augmentation that several kinds of data use."""
