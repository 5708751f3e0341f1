"""Colors for color-blind readers, for all figures."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette; originals are gray in every figure.
ORIGINAL = "#8c8c8c"
RELEASED = "#0072B2"
WARNING = "#D55E00"
TEXT = "#4d4d4d"
#: The more an attacker knows, the darker or warmer the line.
KNOWLEDGE_STYLE: dict[str, dict[str, Any]] = {
    "original": {"color": ORIGINAL, "linestyle": "--", "marker": "D"},
    "ignorant": {"color": "#56B4E9", "linestyle": "-", "marker": "o"},
    "lazy-informed": {"color": RELEASED, "linestyle": "-", "marker": "s"},
    "semi-informed": {"color": WARNING, "linestyle": "-", "marker": "^"},
}
