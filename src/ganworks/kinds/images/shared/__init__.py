"""What several kinds of pictures share."""
