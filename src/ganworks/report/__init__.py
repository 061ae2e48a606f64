"""The report page, the model card, and the output on the terminal."""
