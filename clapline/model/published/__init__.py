"""Whole published models → a Clap: ClapModel folders and ids, LAION-CLAP .pt files, MS-CLAP .pth files.

`start_from` tells them apart, fills every weight of the Clap or fails, and reports what a file holds besides.
"""

from __future__ import annotations

from pathlib import Path

from clapline.errors import UserError
from clapline.model.audio.matching import Matched
from clapline.model.clap import Clap


def start_from(name: Path | str, tokenizer: str | None = None) -> tuple[Clap, Matched]:
    """Return a published model as a Clap in evaluation mode, and what was made of its weights.

    Args:
        name: an id or folder of a ClapModel; or a .pt or .pth file of LAION-CLAP or MS-CLAP.
        tokenizer: id or folder of the text model's tokenizer, which .pt and .pth files do not hold; None: the id that
            the authors used (roberta-base, bert-base-uncased, gpt2).

    Raises:
        UserError: nowhere to be had, another kind of file, or a weight of the Clap that it does not hold.
    """
    path = Path(name)
    if path.suffix not in (".pt", ".pth"):
        from clapline.model.lookup import find_model
        from clapline.model.published.clap_model import read

        return read(find_model(str(name)), source=str(name)).assembled()

    from clapline.model.audio.weight_files import find_weight_file, read_tensors
    from clapline.model.published import laion, msclap

    tensors = read_tensors(find_weight_file(str(name), "LAION-CLAP: lukewys/laion_clap; MS-CLAP: microsoft/msclap"))
    for family in (laion, msclap):
        if family.recognises(tensors):
            return family.read(tensors, source=str(name), tokenizer=tokenizer).assembled()
    raise UserError(f"{name} is no checkpoint of LAION-CLAP or MS-CLAP: its tensors are {', '.join(list(tensors)[:3])}")
