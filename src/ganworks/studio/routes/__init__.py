"""The addresses under api/, a file for each part of the studio."""
