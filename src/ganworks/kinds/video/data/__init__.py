"""Clips: sources, frames, the packed data set."""
