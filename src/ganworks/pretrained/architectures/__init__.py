"""Published architectures for pictures in plain torch, with the names of parameters that their files have."""
