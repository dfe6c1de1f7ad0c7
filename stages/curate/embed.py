"""Door of the stage embed: the teacher's embeddings of the unpaired clips and of every caption of the text role.

Rows are in the order of the tables' keys. Without unpaired clips there are no rows of audio. The prompted labels of DS
and ADS are not embedded here: the prompt is a knob of `curate`, whose edits must not embed the audio again; curate
embeds those few sentences itself.
"""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from clapline.errors import UserError, door
from clapline.metrics.sanity import check_embeddings
from clapline.params.base import read_section
from clapline.params.machine import Machine
from clapline.storage import atomic_folder
from clapline.tables.clips import CLIPS
from clapline.tables.embeddings import AUDIO_ROWS, TEXT_ROWS


@door
def main() -> None:
    """Read the teacher, the clips and the captions; write `data/embeddings/`."""
    machine = read_section("machine", Machine)
    clips = CLIPS.read("data/roles/unpaired.parquet").sort_values(["dataset", "clip_id"], kind="stable")
    pool = CLIPS.read("data/captioned/text.parquet")
    captions = TEXT_ROWS.frame(
        [
            {"dataset": row.dataset, "clip_id": row.clip_id, "caption_index": index, "text": text}
            for row in pool.itertuples(index=False)
            for index, text in enumerate(row.captions)
        ]
    ).sort_values(["dataset", "clip_id", "caption_index"], kind="stable")
    if captions.empty:
        raise UserError("data/captioned/text.parquet has no captions: curation needs them; see roles in params.yaml")

    from clapline.model.clap import Clap
    from clapline.model.device import choose_device
    from clapline.model.encode import encode_clips

    teacher = Clap.from_pretrained("models/teacher").to(choose_device(machine.device))
    if len(clips) and teacher.settings.audio.pooling == "tap":
        raise UserError(
            f"embed: {len(clips)} unpaired clips, but under text-aware pooling (teacher.model.audio.pooling: tap) a "
            "clip has no embedding to compare captions with; take pooling: mean, or leave roles.unpaired empty"
        )
    # Clips often share a caption: each text is encoded once, so equal captions have equal embeddings.
    texts, place = np.unique(captions["text"].to_numpy(dtype=object), return_inverse=True)
    text = teacher.encode_texts(list(texts))[place]
    check_embeddings("embed: captions of the text role", text, len(captions))
    if len(clips):
        audio = encode_clips(teacher, clips, machine, "embed unpaired clips")
        check_embeddings("embed: unpaired clips", audio, len(clips))
    else:
        audio = np.empty((0, text.shape[1]), np.float32)
        print("embed: data/roles/unpaired.parquet has no clips, so there is no audio to embed")
    with atomic_folder("data/embeddings") as folder:
        save_file(
            {"audio": np.ascontiguousarray(audio, np.float32), "text": np.ascontiguousarray(text, np.float32)},
            folder / "embeddings.safetensors",
        )
        AUDIO_ROWS.write(folder / "audio.parquet", clips[["dataset", "clip_id"]])
        TEXT_ROWS.write(folder / "text.parquet", captions)
    print(f"embed: {len(clips)} clips, {len(captions)} captions ({len(texts)} distinct)")


if __name__ == "__main__":
    main()
