"""Residual GANs with spectral norm: SNGAN, SAGAN, BigGAN, BigGAN-deep, and the ResNet of WGAN-GP."""
