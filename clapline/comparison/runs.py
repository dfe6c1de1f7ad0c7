"""Reading for a comparison: what the name of a run means, and its results per query, by dataset and part.

The file alone says what was measured: each of its columns of floats holds a measure's value per query, and a column
that is empty for all of a part is no measure of it. So runs of different versions can be compared in what both have.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clapline.errors import UserError
from clapline.tables.per_query import PER_QUERY

RESULTS = "reports/evaluate/per_query.parquet"
CLIPS = "clips"
ASKED = ("words", "relevant", CLIPS)  # no measures: with what words a query was asked, and how many items answer it
RANK = "best_rank"
MEDIAN_RANK = "median_rank"  # the one measure that is no mean: the median of `best_rank`

Key = tuple[str, str]  # dataset, part


@dataclass(frozen=True)
class Run:
    """One run of a model. A part's frame has its queries as sorted index, `clips`, and a column of floats per measure.

    The frame's column `median_rank` holds the rank of the first relevant item.
    """

    name: str
    parts: dict[Key, pd.DataFrame]


def read_side(names: str, model: str, parts: Sequence[str] = ()) -> list[Run]:
    """Return the runs of one side of a comparison, which were asked the same queries.

    Args:
        names: a folder, file, git revision or DVC experiment, or several separated by commas.
        model: student or teacher.
        parts: what to read; none: all.

    Raises:
        UserError: a run is not found or damaged, lacks the model or a part, or was asked other queries than the first.
    """
    given = [name.strip() for name in names.split(",")]
    if not all(given):
        raise UserError(f"{names!r} names an empty run; a side is one run, or several separated by single commas")
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise UserError(f"{names}: {', '.join(repeated)} stands there twice; a run counts once")
    return one_side([read_run(name, model, parts) for name in given])


def one_side(runs: list[Run]) -> list[Run]:
    """Return runs as they are; raises UserError where one was asked other queries than the first."""
    for run in runs[1:]:
        _refuse_other_queries(runs[0], run)
    return runs


def read_run(name: str, model: str, parts: Sequence[str] = ()) -> Run:
    """Return one run: of a folder, file, git revision or DVC experiment. Raises as `read_side`."""
    return run_of(name, read_table(name), model, parts)


def run_of(name: str, table: pa.Table, model: str, parts: Sequence[str] = ()) -> Run:
    """Return the run of one model out of the table that `read_table` gave for the name. Raises as `read_side`."""
    chosen = table.filter(pc.field("model") == model)
    if not chosen.num_rows:
        raise UserError(f"{name}: no model {model}; there is: {_listed(table['model'])}")
    absent = sorted(set(parts) - set(chosen["part"].to_pylist()))
    if absent:
        raise UserError(f"{name}: no part {', '.join(absent)}; there is: {_listed(chosen['part'])}")
    frame = chosen.to_pandas().rename(columns={RANK: MEDIAN_RANK})
    if parts:
        frame = frame[frame["part"].isin(parts)]
    if frame.duplicated(["dataset", "part", "query"]).any():
        raise UserError(f"{name}: a query of {model} stands there twice")
    if any(len(clips) == 0 for clips in frame[CLIPS]):
        raise UserError(f"{name}: a query of {model} names no clip that it is about")
    found = {}
    for key, rows in frame.groupby(["dataset", "part"], sort=True):
        rows = rows.set_index("query").sort_index()
        rows[CLIPS] = [tuple(sorted(set(clips))) for clips in rows[CLIPS]]
        found[key] = rows.drop(columns=["model", "dataset", "part"]).dropna(axis="columns", how="all")
    return Run(name, found)


def _listed(column: pa.ChunkedArray) -> str:
    return ", ".join(sorted(set(column.to_pylist()))) or "nothing"


def read_table(name: str) -> pa.Table:
    """Return the columns that a comparison needs: keys, clips, rank (the last, as float) and every float.

    Of a revision that takes seconds, for DVC reads its whole pipeline. Raises as `read_side`.
    """
    source = _source(name)
    try:
        with pq.ParquetFile(source) as file:
            schema = file.schema_arrow
            floats = [column.name for column in schema if pa.types.is_float64(column.type) and column.name != RANK]
            needed = [*PER_QUERY.keys, *ASKED, RANK]
            missing = [column for column in needed if column not in schema.names]
            if missing:
                raise UserError(f"{name}: table {PER_QUERY.name}: missing columns {missing}; evaluate that run again")
            table = file.read(columns=[*needed, *floats]).select([*needed[:-1], *floats, RANK])
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{name} is no Parquet table ({PER_QUERY.name}): {str(error)[:200]}") from None
    return table.set_column(table.num_columns - 1, RANK, table[RANK].cast(pa.float64()))


def _source(name: str) -> Path | io.BytesIO:
    """Return where the results of a run are: a file as it lies in a folder, or the bytes that a revision had."""
    path = Path(name).expanduser()
    for candidate in (path, path / Path(RESULTS).name, path / RESULTS):
        if candidate.is_file():
            return candidate
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from dvc_data.index import DataIndexDirError

    try:
        with dvc.api.open(RESULTS, rev=name, mode="rb") as file:
            return io.BytesIO(file.read())
    except SCMError:
        if path.is_dir():
            raise UserError(f"{name}: no {RESULTS} in this folder, and no git revision of that name") from None
        raise UserError(
            f"{name}: neither a folder or file, nor a git revision or DVC experiment of the repository here"
        ) from None
    except (DvcException, DataIndexDirError, OSError):  # the second: not even the listing of the folder is there
        raise UserError(
            f"{name}: {RESULTS} of this revision is not in DVC's cache (dvc pull or dvc repro brings it), or none "
            "was recorded"
        ) from None


def _refuse_other_queries(first: Run, other: Run) -> None:
    for dataset, part in sorted(first.parts.keys() | other.parts.keys()):
        one, two = first.parts.get((dataset, part)), other.parts.get((dataset, part))
        if one is None or two is None or not one[CLIPS].equals(two[CLIPS]):
            raise UserError(
                f"{first.name} and {other.name} are runs of one side, but their queries differ in {dataset} {part}; "
                "runs of one side are asked the same"
            )


def in_common(a: Sequence[Run], b: Sequence[Run]) -> list[Key]:
    """Return the parts that share a query, by dataset and part."""
    keys = sorted(a[0].parts.keys() & b[0].parts.keys())
    return [key for key in keys if len(a[0].parts[key].index.intersection(b[0].parts[key].index))]


@dataclass(frozen=True)
class LeftOut:
    """How many queries of either side take no part in the comparison of a part, or of one measure of it."""

    dataset: str
    part: str
    measure: str | None
    of_a: int
    of_b: int


def left_out(a: Sequence[Run], b: Sequence[Run], measures: Sequence[str] = ()) -> list[LeftOut]:
    """Count the queries of one side alone, and of those in common the ones that have a measure on one side alone."""
    found = []
    for key in sorted(a[0].parts.keys() | b[0].parts.keys()):
        sides = [[run.parts[key] for run in runs if key in run.parts] for runs in (a, b)]
        asked = [set(side[0].index) if side else set() for side in sides]
        found.append(LeftOut(*key, None, len(asked[0] - asked[1]), len(asked[1] - asked[0])))
        common = sorted(asked[0] & asked[1])
        if common:
            for name in measures_of([frame for side in sides for frame in side], measures, everywhere=False):
                values = [np.array([has_value(frame.loc[common], name) for frame in side]) for side in sides]
                kept = np.all(np.concatenate(values), axis=0)
                found.append(LeftOut(*key, name, *(int((side.any(axis=0) & ~kept).sum()) for side in values)))
    return [one for one in found if one.of_a or one.of_b]


def asked_otherwise(a: Sequence[Run], b: Sequence[Run]) -> list[str]:
    """Return in words, by part, how many queries in common were asked with other words or have other answers."""
    found = []
    for key in sorted(a[0].parts.keys() & b[0].parts.keys()):
        one, two = a[0].parts[key], b[0].parts[key]
        common = one.index.intersection(two.index)
        for column, what in (("words", "asked with other words"), ("relevant", "with another number of answers")):
            if column in one and column in two:
                count = int((one.loc[common, column] != two.loc[common, column]).sum())
                if count:
                    found.append(f"{key[0]} {key[1]}: {count} of {len(common)} queries {what} in A and B")
    return found


def measures_of(frames: Sequence[pd.DataFrame], named: Sequence[str], *, everywhere: bool = True) -> list[str]:
    """Return the measures of all frames (else of any), of those named if any are, in the order of their columns."""
    columns = dict.fromkeys(name for frame in frames for name in frame.columns if name not in ASKED)
    held = [name for name in columns if not everywhere or all(name in frame for frame in frames)]
    return [name for name in held if not named or name in named]


def has_value(frame: pd.DataFrame, measure: str) -> np.ndarray:
    """Return for each query whether the measure has a value, `(queries,)`."""
    return frame[measure].notna().to_numpy() if measure in frame else np.zeros(len(frame), dtype=bool)
