"""Data of time series: reading, time stamps, columns, layout of vectors, the data set."""
