"""Games that several kinds of data use: which player moves when, and what each player minimises."""

PARTS = {"game/adversarial": "adversarial:Adversarial", "game/regularised": "regularised:Regularised"}
