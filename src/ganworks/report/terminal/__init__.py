"""What a terminal shows while one waits, and tables of runs."""
