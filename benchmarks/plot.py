"""Draws results.json as an SVG: mentions per second of each system, a bar for each classifier."""

from html import escape
from typing import Any

from benchmarks.systems import OURS

_WIDTH, _LEFT, _BAR, _GAP, _HEAD = 760, 200, 13, 12, 46
_COLOURS = {"real": "#1f6f8b", "constant": "#a9c9d3"}
_CASE = "one-per-delivery"


def svg(results: dict[str, Any]) -> str:
    """The plot for one mention in a delivery; whiskers show the least and the most of the rounds."""
    rows = [row for row in results["cases"] if row["case"] == _CASE and "mentions_per_s" in row]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    most = max(row["mentions_per_s"]["max"] for row in rows)
    scale = (_WIDTH - _LEFT - 60) / most
    step = len(_COLOURS) * _BAR + _GAP
    height = _HEAD + len(systems) * step + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" role="img" aria-label="Mentions per second of each system">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<text x="8" y="18" font-size="14">Mentions per second, one in a delivery (median; least and most)</text>',
    ]
    for index, (classifier, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + index * 150
        parts += [
            f'<rect x="{x}" y="27" width="10" height="10" fill="{colour}"/>',
            f'<text x="{x + 15}" y="36">{classifier} classifier</text>',
        ]
    for row in rows:
        top = _HEAD + systems.index(row["system"]) * step + list(_COLOURS).index(row["classifier"]) * _BAR
        parts += _bar(row, top, scale)
    for index, system in enumerate(systems):
        weight = ' font-weight="bold"' if system == OURS else ""
        y = _HEAD + index * step + _BAR + 4
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end"{weight}>{escape(system)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: dict[str, Any], top: int, scale: float) -> list[str]:
    speed = row["mentions_per_s"]
    least, middle, most = (_LEFT + speed[name] * scale for name in ("min", "median", "max"))
    y = top + _BAR / 2
    return [
        f'<rect x="{_LEFT}" y="{top}" width="{middle - _LEFT:.1f}" height="{_BAR - 1}" '
        f'fill="{_COLOURS[row["classifier"]]}"/>',
        f'<path d="M{least:.1f} {y}H{most:.1f}" stroke="black"/>',
        f'<text x="{max(middle, most) + 5:.1f}" y="{y + 4}">{speed["median"]:,.0f}</text>',
    ]
