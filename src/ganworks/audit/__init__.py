"""Audits: of data before a training, and of what a training gives away."""
