"""Door: `python -m clapline.model.published FILE FOLDER` writes a published model as a clapline folder."""

from __future__ import annotations

import argparse

from clapline.errors import door

CARD = """# {name}

{source}, converted by clapline (`python -m clapline.model.published`); its weights are unchanged.

- Weights: {report}
- Hears: {features.duration_s:g} s at {features.sample_rate_hz} Hz, {features.mel_bands} mel bands of \
{features.minimum_hz:g}-{features.maximum_hz:g} Hz
- Embeddings: {dimension}

The licence of the weights is that of their authors.
"""


@door
def main() -> None:
    """Convert, and print what was made of the weights."""
    parser = argparse.ArgumentParser(prog="python -m clapline.model.published", description=main.__doc__)
    parser.add_argument("model", help="a .pt file of LAION-CLAP, a .pth file of MS-CLAP, or a ClapModel's id or folder")
    parser.add_argument("folder", help="where the clapline folder is written")
    parser.add_argument("--tokenizer", help="id or folder of the tokenizer, where the file holds none")
    arguments = parser.parse_args()

    from pathlib import Path

    from clapline.model.published import start_from

    clap, report = start_from(arguments.model, arguments.tokenizer)
    card = CARD.format(
        name=Path(arguments.folder).name,
        source=Path(arguments.model).name,
        report=report,
        features=clap.settings.features,
        dimension=clap.dimension,
    )
    clap.save(arguments.folder, card)
    print(f"{arguments.model}: {report}")
    print(f"written: {arguments.folder}")


if __name__ == "__main__":
    main()
