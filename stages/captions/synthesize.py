"""Door: `python -m stages.captions.synthesize`; new captions for every training clip."""

from __future__ import annotations

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
    table, dropped, account, examples = synthesized(CLIPS.read("data/captioned/paired.parquet"), section, machine)
    SYNTHETIC.write("data/captions/synthetic.parquet", table)
    write_accounts(
        "reports/synthesize",
        "New captions",
        "For every training clip new captions were asked from its captions and tags: at most 20 words, the same "
        "meaning, no new events, numbers or names. What failed a check to the end is listed in dropped.csv.",
        [account],
        dropped,
        (["given captions", "new captions"], examples),
    )


if __name__ == "__main__":
    main()
