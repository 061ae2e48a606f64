"""Series: files, clocks, columns, the data set."""
