"""The verbs that examine: data, runs and made files."""
