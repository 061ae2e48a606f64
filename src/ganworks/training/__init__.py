"""The one training loop, its set-up, and its checks."""
