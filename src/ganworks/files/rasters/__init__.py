"""Pictures and films as arrays: decoding, writing, sheets."""
