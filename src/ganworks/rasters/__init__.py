"""Pictures and films as files: read in all their parts, written back in the same form."""
