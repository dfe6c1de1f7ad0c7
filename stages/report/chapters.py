"""The stages' chapters: read from their report folders, with figures and audio copied beside the page."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from clapline.chapter import Block, Chapter, read_chapter
from clapline.errors import UserError

# The page's reading order. A stage that is not run leaves no folder, and that is an error, not a shorter page.
STAGES = (
    "catalogue",
    "rewrite",
    "paraphrase",
    "synthesize",
    "stress",
    "mix",
    "audit",
    "teacher",
    "curate",
    "student",
    "evaluate",
    "richness",
    "topics",
    "curated_topics",
)


@dataclass(frozen=True)
class Placed:
    """A chapter with the stage that wrote it."""

    stage: str
    chapter: Chapter


def read_chapters(reports: Path, stages: tuple[str, ...] = STAGES) -> list[Placed]:
    """Read the chapter of every stage. Raises UserError when one is missing or malformed."""
    found = []
    for stage in stages:
        folder = reports / stage
        try:
            found.append(Placed(stage, read_chapter(folder)))
        except FileNotFoundError:
            raise UserError(f"{folder}/chapter.json: no such file; run the stage {stage} first") from None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder}/chapter.json is no chapter: {type(error).__name__}: {error}") from None
    return found


def copy_files(reports: Path, placed: Placed, site: Path) -> None:
    """Copy the files that a chapter's blocks name to `site/<stage>/`.

    Raises UserError when one is missing, is not named by a block that shows one, or lies outside the chapter's folder.
    """
    for block in placed.chapter.blocks:
        named = {"figure": block.file, "audio": block.file, "plot": block.still}
        if block.kind not in named:
            continue
        source = named_file(reports / placed.stage, block, named[block.kind])
        target = site / placed.stage / str(named[block.kind])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def named_file(folder: Path, block: Block, name: str | None) -> Path:
    """Return a file that a block names, in the chapter's folder. Raises UserError as `copy_files` does."""
    if not name:
        raise UserError(f"{folder}/chapter.json: a block of kind {block.kind} names no file")
    source = folder / name
    if not source.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{folder}/chapter.json: {name!r} lies outside the chapter's folder")
    if not source.is_file():
        raise UserError(f"{source}: no such file, though {folder}/chapter.json shows it")
    return source
