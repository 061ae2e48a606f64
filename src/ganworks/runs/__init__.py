"""The run folder, and the networks that it publishes."""
