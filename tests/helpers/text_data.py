"""Made-up texts without spaces."""

CHINESE = [f"{a}{b}，{c}。" for a in ("春天", "夏日", "秋风", "冬雪", "明月") for b in ("来了", "很美", "如画", "无声")
           for c in ("山高水长", "花好月圆", "风和日丽", "鸟语花香", "一帆风顺")]  # fmt: skip
