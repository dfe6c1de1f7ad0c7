"""Door: `python -m stages.captions.synthesize`; new captions and other texts to train on for every training clip."""

from __future__ import annotations

import pyarrow as pa

from clapline.errors import door
from clapline.params.base import read_section
from clapline.params.captions import Synthesize
from clapline.params.machine import Machine
from clapline.tables.captions import SYNTHETIC
from clapline.tables.clips import CLIPS
from stages.captions.accounts import write_accounts
from stages.captions.synthesizing import synthesized


@door
def main() -> None:
    """Read the captioned clips, ask, check, write."""
    section = read_section("synthesize", Synthesize)
    machine = read_section("machine", Machine)
    written = synthesized(CLIPS.read("data/captioned/paired.parquet"), section, machine)
    # By Arrow: a similarity that was not measured is a NaN there, where pandas would hand on an empty cell.
    SYNTHETIC.write_arrow("data/captions/synthetic.parquet", pa.Table.from_pylist(written.rows, SYNTHETIC.schema))
    write_accounts(
        "reports/synthesize",
        "New captions",
        "For every training clip new captions were asked from its captions and tags: at most 20 words, the same "
        "meaning, no new events, numbers or names. Where the params ask for them, captions came back from another "
        "language, had a few words changed, or were translated; the meaning of translations is not measured. What "
        "failed a check to the end is listed in dropped.csv.",
        written.accounts,
        written.dropped_table(),
        (["kind", "given", "written"], written.examples),
    )


if __name__ == "__main__":
    main()
