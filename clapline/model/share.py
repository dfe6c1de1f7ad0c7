"""`python -m clapline.model.share FOLDER ORGANISATION/NAME`: a saved model to the Hugging Face hub."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from clapline.errors import UserError, door
from clapline.storage import read_json

METRICS = Path("reports/metrics.json")
PARTS = ("config.json", "model.safetensors", "README.md", "text")


def push_to_hub(
    folder: Path | str, repository: str, *, metrics: Path | str | None = None, private: bool = False, api: Any = None
) -> str:
    """Upload what `Clap.save` wrote; return the address. `Clap.from_pretrained(repository)` loads it elsewhere.

    The token is the hub's own: `hf auth login`, or the variable HF_TOKEN.

    Args:
        folder: a saved model.
        repository: organisation/name on the hub.
        metrics: a metrics.json whose figures of this model (by the folder's name) join the card; None: none do.
        private: whether a new repository is private.
        api: a huggingface_hub.HfApi; None: the usual one.

    Raises:
        UserError: the folder is no saved model, or the hub refuses.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} is no saved model: it needs config.json and model.safetensors")
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / folder.name
        copy.mkdir()
        for part in PARTS:
            source = folder / part
            if source.is_dir():
                shutil.copytree(source, copy / part)
            elif source.is_file():
                shutil.copy(source, copy / part)
        if metrics is not None:
            card = (copy / "README.md").read_text(encoding="utf-8") if (copy / "README.md").is_file() else ""
            (copy / "README.md").write_text(card + evaluation(metrics, folder.name), encoding="utf-8")
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            return str(api.upload_folder(repo_id=repository, folder_path=str(copy)))
        except Exception as error:
            # The first line of what the hub says; its message may be pages, and must never hold a token.
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"the hub did not take {repository}: {reason}") from None


def evaluation(metrics: Path | str, model: str) -> str:
    """Return the figures of one model as a Markdown section; empty when the file has none of it."""
    figures = read_json(metrics).get(model, {})
    rows = [
        f"| {dataset} | {part} | {measure} | {value:.4f} |"
        for dataset, parts in figures.items()
        for part, measures in parts.items()
        for measure, value in measures.items()
    ]
    if not rows:
        return ""
    head = ["", "## Evaluation", "", "| dataset | part | measure | value |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


@door
def main() -> None:
    """Upload one model folder."""
    parser = argparse.ArgumentParser(description="Upload a saved model to the Hugging Face hub.")
    parser.add_argument("folder", help="a model folder, e.g. models/student")
    parser.add_argument("repository", help="organisation/name on the hub")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    arguments = parser.parse_args()
    metrics = METRICS if METRICS.is_file() else None
    print(push_to_hub(arguments.folder, arguments.repository, metrics=metrics, private=arguments.private))


if __name__ == "__main__":
    main()
