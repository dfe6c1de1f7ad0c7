"""Door: `python -m stages.captions.audit`; what was written, how far it can be trusted, and what it cost."""

from __future__ import annotations

from pathlib import Path

from clapline.errors import door
from clapline.params.base import read_section
from clapline.params.captions import Audit
from clapline.storage import atomic_folder, write_json
from stages.captions.audit.chapter import write_audit_chapter
from stages.captions.audit.fates import fates
from stages.captions.audit.inputs import read_inputs
from stages.captions.audit.memory import remembered
from stages.captions.audit.metrics import caption_metrics
from stages.captions.audit.rewording import measured, rewordings

REPORT = Path("reports/audit")
METRICS = Path("reports/captions.json")


@door
def main() -> None:
    """Read the caption tables and the stages' accounts, write the chapter and the metrics."""
    settings = read_section("audit", Audit)
    inputs = read_inputs()
    found, rows = remembered(inputs), measured(inputs.paraphrases)
    became = fates(inputs)
    metrics = caption_metrics(inputs, became, found, settings.prices)
    with atomic_folder(REPORT) as folder:
        write_audit_chapter(folder, inputs, settings, became, rows, rewordings(rows), found)
    write_json(METRICS, metrics)
    total = metrics["total"]
    cost = "at an unknown price" if total["cost_usd"] is None else f"for {total['cost_usd']:.2f} USD"
    print(f"audit: {total['prompt_tokens'] + total['completion_tokens']} tokens {cost}")


if __name__ == "__main__":
    main()
