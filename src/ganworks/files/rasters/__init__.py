"""Images and films as arrays: decoding, encoding, and sheets of several images."""
