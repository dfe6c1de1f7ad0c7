"""Numbers as a reader wants them: 3 to 4 significant digits, thousands apart."""

from __future__ import annotations

import math

from clapline.chapter import Cell

_DIGITS = 4


def shown(value: Cell) -> str:
    """Return a table cell as text: whole numbers in full, others to 3 or 4 significant digits, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if not math.isfinite(value):
        return str(value)
    # Rounded first, to count its digits alone: 9.99999 is 10.00, not 10.000, but 0.506511 is 0.507.
    size = abs(float(f"{value:.{_DIGITS}g}")) if abs(value) < 10**_DIGITS else abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        return f"{value:.3g}".replace("-", "−")
    decimals = 2 - math.floor(math.log10(size)) if 0 < size < 0.1 else max(_DIGITS - len(str(int(size))), 0)
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "−")


def signed(value: float) -> str:
    """Return a difference with its sign and three decimals, so that gains and losses read apart without colour."""
    text = shown(float(value)) if abs(value) >= 1 else f"{value:.3f}".replace("-", "−")
    return text if text.startswith("−") else f"+{text}"


def is_number(value: Cell) -> bool:
    """Return whether a cell holds a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric_columns(columns: int, rows: list[list[Cell]]) -> list[bool]:
    """Return for each column whether it holds numbers and empty cells only, at least one number."""
    flags = []
    for place in range(columns):
        cells = [row[place] for row in rows if place < len(row) and row[place] is not None]
        flags.append(bool(cells) and all(is_number(cell) for cell in cells))
    return flags
