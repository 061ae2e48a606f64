"""ganworks: train, judge and use GANs."""
