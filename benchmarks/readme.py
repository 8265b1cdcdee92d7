"""Writes the README's table and plot from results.json; the words around them are for people to write."""

from pathlib import Path
from typing import Any

from benchmarks.plot import svg
from benchmarks.systems import OURS

README = Path(__file__).parents[1] / "README.md"
PLOT = "docs/throughput.svg"
BEGIN, END = "<!-- from benchmarks/results.json -->", "<!-- end -->"
_COLUMNS = (
    ("one-per-delivery", "real"),
    ("one-per-delivery", "constant"),
    ("ten-per-delivery", "real"),
    ("ten-per-delivery", "constant"),
)


def write(results: dict[str, Any], readme: Path = README) -> None:
    """Replace what stands between the marks, and the plot beside it.

    Raises:
        ValueError: a mark is missing.
    """
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{readme.name} lacks {BEGIN} or {END}")
    plot = readme.parent / PLOT
    plot.parent.mkdir(exist_ok=True)
    plot.write_text(svg(results), encoding="utf-8")
    readme.write_text(
        f"{before}{BEGIN}\n{table(results)}\n\n![Mentions per second of each system]({PLOT})\n{END}{after}",
        encoding="utf-8",
    )


def table(results: dict[str, Any]) -> str:
    """Mentions per second, how many times as fast Silofrei is, and CPU per mention, for each system and case."""
    rows = {(row["system"], row["case"], row["classifier"]): row for row in results["cases"]}
    lines = [
        "| mentions/s (Silofrei is × as fast; CPU µs each) | one per delivery | one, constant classifier "
        "| ten per delivery | ten, constant classifier |",
        "|---|---|---|---|---|",
    ]
    ours = {case: rows.get((OURS, *case), {}).get("ratio", {}) for case in _COLUMNS}
    for system in dict.fromkeys(row["system"] for row in results["cases"]):
        cells = [_cell(rows.get((system, *case), {}), ours[case].get(system)) for case in _COLUMNS]
        star = " \\*" if any("weaker" in row for row in results["cases"] if row["system"] == system) else ""
        lines.append(f"| {'**Silofrei**' if system == OURS else system}{star} | {' | '.join(cells)} |")
    weaker = {row["system"]: row["weaker"] for row in results["cases"] if "weaker" in row}
    return "\n".join([*lines, *(f"\n\\* {name}: {what}." for name, what in weaker.items())])


def _cell(row: dict[str, Any], ratio: float | None) -> str:
    if "mentions_per_s" not in row:
        return str(row.get("missing", "not measured"))
    speed, cpu = round(row["mentions_per_s"]["median"]), round(row["cpu_us_per_mention"]["median"])
    return f"{speed:,} ({cpu:,} µs)" if ratio is None else f"{speed:,} ({ratio:.2f} ×; {cpu:,} µs)"
