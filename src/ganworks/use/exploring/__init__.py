"""Looking into a trained generator: directions, walks, mixtures of classes, arithmetic, and pictures projected into it.

All of it moves points of one space and shows their samples: `space` says which. Nothing here trains or writes.
"""
