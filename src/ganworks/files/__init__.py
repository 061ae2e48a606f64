"""Files of any medium: where they lie, how they are read and written, and what vouches for them."""
