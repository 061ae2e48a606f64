"""Ranges of settings: declared with the fields, checked and converted in one place each, written as JSON Schema."""
