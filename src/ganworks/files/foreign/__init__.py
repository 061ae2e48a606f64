"""Weights in files that other programs wrote: safetensors, PyTorch's and Keras's, read without running anything."""
