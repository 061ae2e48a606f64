"""Keyed, imperceptible watermarks for pictures and sounds: `mark.Watermark` puts them in and finds them again.

What they survive is measured in `benchmarks/watermark.py`; `docs/marking.md` says it.
"""
