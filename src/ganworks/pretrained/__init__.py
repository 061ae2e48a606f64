"""Published networks that have seen many pictures, read from a file that the user has: as judges, and as teachers."""
