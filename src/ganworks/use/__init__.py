"""Use of trained networks: sampling, applying, predicting, evaluating; and looking at data."""
