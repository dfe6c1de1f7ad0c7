"""Door: `python -m stages.captions.stress`; the benchmarks' queries as people really type them."""

from __future__ import annotations

from clapline.errors import door
from clapline.params.base import read_section
from clapline.params.captions import Stress
from clapline.params.machine import Machine
from clapline.tables.captions import STRESS
from clapline.tables.clips import CLIPS
from stages.captions.accounts import write_accounts
from stages.captions.stressing import stressed_queries


@door
def main() -> None:
    """Read the benchmarks, make or ask for every kind, check, write."""
    section = read_section("stress", Stress)
    machine = read_section("machine", Machine)
    made = stressed_queries(CLIPS.read("data/captioned/retrieval.parquet"), section, machine)
    STRESS.write("data/captions/stress.parquet", made.table)
    write_accounts(
        "reports/stress",
        "The stress set",
        "Queries of the benchmarks as people really type them: in a sound engineer's jargon, in slang, as bare "
        "keywords, with typos, in other languages. Keywords and typos are made by rule, whatever the model. Each text "
        "passed the checks of its kind or is listed in dropped.csv.",
        made.accounts,
        made.dropped,
        (made.columns, made.examples),
    )


if __name__ == "__main__":
    main()
