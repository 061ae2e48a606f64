"""Differentially private training: clipped and noisy gradients, what may be trained so, and the epsilon."""
