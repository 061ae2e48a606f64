"""The run folder (`run`), its lock, and the networks that a run publishes (`published`)."""
