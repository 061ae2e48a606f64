"""The use of trained networks from the page, and the results that it shows."""
