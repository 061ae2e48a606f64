"""Data that a studio holds: uploads, and what a look at them finds."""
