"""What was trained, in use: samples, changed files, classes, evaluation; and looking at data."""
