"""Contracts of parts that can do more than every training asks for: encode, teach, truncate."""
