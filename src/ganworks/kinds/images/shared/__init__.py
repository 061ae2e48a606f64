"""Parts that several kinds of pictures use."""
