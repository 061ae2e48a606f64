"""Pages and screens that people read."""
