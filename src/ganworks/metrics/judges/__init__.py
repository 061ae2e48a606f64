"""Features of published networks, which have seen more of the world than the data of a run."""
