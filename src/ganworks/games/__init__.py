"""Who moves in which order, and what each player minimises: what several kinds of data use."""

PARTS = {"game/adversarial": "adversarial:Adversarial"}
