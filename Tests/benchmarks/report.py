"""What was measured, as a table for people and as JSON for programs."""

import json
import math
import statistics
from dataclasses import asdict, dataclass

median = statistics.median


def percentile(values, part):
    """The smallest value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part / 100) - 1)]


@dataclass
class Row:
    """One measurement. A bar bounds it, or its ratio to the peer's, or both; without one it is information."""

    what: str
    unit: str
    ours: float
    peer: float | None = None
    at_most: float | None = None
    ratio_at_most: float | None = None
    note: str = ""

    @property
    def ratio(self):
        return self.ours / self.peer if self.peer else None

    @property
    def has_bar(self):
        return self.at_most is not None or self.ratio_at_most is not None

    @property
    def passes(self):
        below = self.at_most is None or self.ours <= self.at_most
        return below and (self.ratio_at_most is None or (self.ratio is not None and self.ratio <= self.ratio_at_most))

    @property
    def bar(self):
        words = [] if self.at_most is None else [f"{shown(self.at_most)} {self.unit}".strip()]
        words += [] if self.ratio_at_most is None else [f"{self.ratio_at_most:g} x"]
        return " and ".join(words)

    def cells(self):
        return [
            self.what,
            f"{shown(self.ours)} {self.unit}".strip(),
            "" if self.peer is None else f"{shown(self.peer)} {self.unit}".strip(),
            "" if self.ratio is None else f"{self.ratio:.3f}",
            f"<= {self.bar}" if self.has_bar else "",
            ("yes" if self.passes else "NO") if self.has_bar else "",
        ]


def shown(value):
    """Three digits that count, and no exponent."""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"


def table(heads, rows):
    """Columns as wide as they need; Markdown takes it as a table too."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"

    return "\n".join([line(heads), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


class Report:
    """All rows, and the table of sizes."""

    HEADS = ["what", "ours", "peer", "ratio", "bar", "pass"]

    def __init__(self):
        self.rows = []
        self.scale = []

    def add(self, *arguments, **details):
        """Takes a row in, and shows it at once: a run takes minutes."""
        row = Row(*arguments, **details)
        self.rows.append(row)
        print("  " + "  ".join(filter(None, row.cells())) + (f"  ({row.note})" if row.note else ""), flush=True)
        return row

    @property
    def missed(self):
        return [row for row in self.rows if row.has_bar and not row.passes]

    def text(self):
        text = table(self.HEADS, [row.cells() for row in self.rows])
        notes = [f"- {row.what}: {row.note}" for row in self.rows if row.note]
        if notes:
            text += "\n\n" + "\n".join(notes)
        if self.scale:
            heads = list(self.scale[0])
            text += "\n\n" + table(heads, [[shown(size[head]) for head in heads] for size in self.scale])
        return text

    def write_json(self, path):
        rows = [{**asdict(row), "ratio": row.ratio, "passes": row.passes if row.has_bar else None} for row in self.rows]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"rows": rows, "scale": self.scale}, file, indent=2)
            file.write("\n")
