"""What a p-value says, alone and among others."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05


class Tested:
    """Something with a p-value against no difference, alone and corrected for all comparisons made."""

    p_value: float | None
    p_holm: float | None

    @property
    def significant(self) -> bool:
        """Whether the comparison, were it the only one, speaks against no difference."""
        return self.p_value is not None and self.p_value <= LEVEL

    @property
    def survives(self) -> bool:
        """Whether it still does among all comparisons made."""
        return self.p_holm is not None and self.p_holm <= LEVEL


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in the same order (Holm 1979), to six decimals."""
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for place, item in enumerate(sorted(range(len(p_values)), key=lambda item: p_values[item])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[item]))
        corrected[item] = round(highest, 6)
    return corrected
