"""Judging what was made: sets of examples, whoever made them."""
