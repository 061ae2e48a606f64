"""Tables: files, types, columns, rules, the data set."""
