"""Data of tables: reading, column types, encoding of columns, rules, the data set."""
