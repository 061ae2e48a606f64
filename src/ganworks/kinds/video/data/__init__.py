"""Clips: files, frames, the packed data set."""
