"""The tables of docs/results.md, from the pages in docs/studies: `python tools/study_tables.py` writes them.

A study's page is copied there from reports/studies once its trials ran; what stands around the tables is hand-written.
Arms that ran later, beside what they are compared with, have a page of their own: NAME.PART.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from clapline.storage import write_text  # noqa: E402

RESULTS, PAGES = ROOT / "docs/results.md", ROOT / "docs/studies"
ORDER = (
    "robustclap-mini",
    "urban",
    "urban-low",
    "unsupervised-mini",
    "prolap-mini",
    "thesis-mini",
    "everything-mini",
    "default",
)
BEGIN, END = "## Tables\n", "## What was not run\n"
_INTRODUCTION = """
Means and deviations over seeds, then each arm minus its control: query by query and seed by seed, 95 % intervals over
clips and seeds; * p ≤ 0.05 taken alone, ** after Holm's correction over the table. The pages behind the names have the
claims, each seed, what each arm changes, and the published numbers. `make results` makes this chapter from them.
"""


def tables(pages: dict[str, str]) -> str:
    """Return the chapter between BEGIN and END, from the text of each page by the study's name."""
    parts = [_INTRODUCTION]
    for name in sorted(pages, key=_place):
        page = pages[name]
        made = re.search(r"code of commit (\w+): (\d+) trials, seeds ([\d, ]+)\.", page)
        if made is None:
            raise SystemExit(f"docs/studies/{name}.md does not say its commit, trials and seeds")
        parts.append(f"### [{name}](studies/{name}.md)\n")
        parts.append(f"    {_command(name, page, made[3])}\n\n{made[2]} trials, code of commit {made[1]}.\n")
        datasets = _datasets(page)
        for dataset in datasets:
            if len(datasets) > 1:
                parts.append(f"On {dataset}:\n")
            parts += [_table(page, f"{head} on {dataset}") for head in ("Results", "Minus the control")]
    return "\n".join(parts)


def _command(name: str, page: str, seeds: str) -> str:
    """Return the line that runs the arms of a page: all that its study has need not be named."""
    found = [arm for dataset in _datasets(page) for arm in _arms(page, f"Results on {dataset}")]
    ran = [arm for arm in dict.fromkeys(found) if arm != "teacher"]
    chosen = "" if set(ran) == set(_arms(page, "Arms")) else f" --arms {' '.join(ran)}"
    wanted = "" if seeds == "0, 1, 2" else f" --seeds {seeds.replace(',', '')}"
    return f'OMP_NUM_THREADS=1 make study NAME={_study(name)} STUDY="--jobs 2{chosen}{wanted}"'


def _study(name: str) -> str:
    return name.partition(".")[0]


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(_study(name)) if _study(name) in ORDER else len(ORDER)), name


def _datasets(page: str) -> list[str]:
    return re.findall(r"^## Results on (.+)$", page, flags=re.MULTILINE)


def _arms(page: str, head: str) -> list[str]:
    return [line.split("|")[1].strip() for line in _table(page, head).splitlines()[2:]]


def _table(page: str, head: str) -> str:
    """Return the table of a chapter, with a last line break; empty where the page has no such chapter."""
    chapter = page.partition(f"\n## {head}\n")[2].partition("\n## ")[0]
    return "".join(f"{line}\n" for line in chapter.splitlines() if line.startswith("|"))


def results(text: str, pages: dict[str, str]) -> str:
    """Return docs/results.md with its chapter of tables made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"docs/results.md lacks the line {(BEGIN if not begin else END).strip()!r}")
    return f"{before}{begin}{tables(pages)}\n{end}{after}"


def pages() -> dict[str, str]:
    """Return the text of each page in docs/studies by the study's name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md"))}


if __name__ == "__main__":
    write_text(RESULTS, results(RESULTS.read_text(encoding="utf-8"), pages()))
