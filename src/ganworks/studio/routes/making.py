"""To come."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter


def routes(studio: Any) -> APIRouter:
    """The addresses over a `Studio`."""
    return APIRouter()
