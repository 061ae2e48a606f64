"""What the service tells of itself: health, metrics, and a line for each request."""
