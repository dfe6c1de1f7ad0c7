"""`python benchmarks/scale.py`: what each full recipe takes, as the Markdown tables of docs/scale.md.

Sizes are from the recipes and the datasets' cards, rates from below. Every rate is an option (`--utilisation 0.4`).
ASSUMED marks what nobody measured.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from clapline.params.base import read_params  # noqa: E402
from clapline.params.datasets import load_kind  # noqa: E402

RECIPES = ("thesis", "robustclap", "unsupervised", "prolap", "everything", "urban")
_WORDS = {"development": "train", "validation": "val", "evaluation": "test", "eval": "test"}  # card → pipeline


@dataclass(frozen=True)
class Rates:
    """Rates and prices; behind each its source. "Page": measured as docs/scale.md says."""

    prepare_cpu_s_per_h: float = 12.1  # page: 9.0 of make_clip (stereo FLAC, 48 to 44.1 kHz), 3.1 of landmarks
    decode_cpu_s_per_h: float = 1.8  # page: FLAC of 44.1 kHz
    flac_share: float = 0.5  # page: 0.33 to 0.61 of 16-bit PCM
    search_gflops: float = 344.0  # RESULTS.md, Search: threshold, clapline (bfloat16 proposes), two cores
    askings: float = 1.2  # reports/captions.json: 1.10 to 1.20 a question, of the builtin model
    paraphrase_tokens_in: float = 391.0  # page: prompt and caption
    paraphrase_tokens_out: float = 53.0  # page: JSON of two captions
    new_tokens_in: float = 433.0  # page: prompt and five captions
    new_tokens_out: float = 112.0  # page: JSON of five captions
    input_usd: float = 0.4  # a million tokens: the example of docs/captions.md
    output_usd: float = 1.6  # the same
    answered_tokens_per_s: float = 200.0  # ASSUMED, of one's own server, all requests together
    tokens_per_text: float = 32.0  # ASSUMED, padded to a batch's longest
    bf16_tflops: float = 312.0  # NVIDIA A100, data sheet, dense; half of it in TF32, for embed
    # Share of the peak: DCASE 2025's baseline, 20 epochs of Clotho's 19,195 captions (PaSST, RoBERTa-large, compiled)
    # in 2 h 16 min on an A40 of 149.7 TFLOP/s; we count 0.49 TFLOP a pair, 189 PFLOP.
    utilisation: float = 0.15


# Seconds of a recording, bytes of its file, bytes of all archives (0: fetched one by one).
_VIDEO = (10, 2.4e12 / 1.77e6, 0)  # card of audioset: 1.77 million excerpts of 10 s, 2.4 TB
SIZES = {
    "audiocaps": _VIDEO,
    "audioset": _VIDEO,
    "audioset_strong": _VIDEO,
    "clotho": (22.5, 11e9 / 5929, 11e9),  # card: 15 to 30 s, 11 GB unpacked; ASSUMED as large packed
    "esc50": (5, 441e3, 646e6),  # card: 5 s, 44.1 kHz, 646 MB
    "fsd50k": (7.6, 672e3, 24.7e9),  # card; 108.3 h (soundata) of 44.1 kHz
    "macs": (10, 13.5e9 / 3930, 13.5e9),  # card: 10 s, 13.5 GB
    "sounddescs": (116, 1.86e6, 0),  # ASSUMED: 1,060 h in 32,979 recordings, MP3 of 128 kbit/s
    "tut2017": (10, 14.3e9 / 6300, 14.3e9),  # card: 10.7 and 3.6 GB
    "urbansound8k": (3.6, 6.02e9 / 8732, 6.02e9),  # card: 6.0 GB; 8.75 h (soundata)
}


# Parameters, and FLOPs of a clip, forward and in training: counted by torch's FlopCounterMode as
# stages/evaluate/cost.py does, fused attention too, at random weights.
AUDIO = {
    "passt": (85.3e6, 262e9, 434e9),  # 3 × 10 s; training with patchout
    "cnn14": (79.7e6, 27.6e9, 82.7e9),  # 5 s at 44.1 kHz
    "laion/clap-htsat-unfused": (27.5e6, 11.9e9, 35.5e9),  # 10 s at 48 kHz
    "models/published/msclap-2023": (27.5e6, 11.9e9, 35.5e9),  # 7 s, resized alike
    "cnn": (0.25e6, 0.15e9, 0.42e9),  # 5 s at 16 kHz
}
# Published: parameters, and 12 · layers · width² of them, each of which takes two FLOPs a token.
TEXT = {
    "roberta-large": (355e6, 302e6),
    "bert-base-uncased": (110e6, 85e6),
    "laion/clap-htsat-unfused": (125e6, 85e6),  # RoBERTa-base
    "models/published/msclap-2023": (124e6, 85e6),  # GPT-2
    "sentence-transformers/all-MiniLM-L6-v2": (22.7e6, 10.6e6),
}


def splits_of(options: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return split → clips and captions a clip, of what a dataset's options take."""
    module = load_kind(options["kind"])
    chosen = module.Options(**{key: value for key, value in options.items() if key != "kind"}).model_dump()
    taken = chosen.get("splits") or chosen.get("subset") or chosen.get("split") or chosen.get("set")
    found, card = {}, module.CARD
    for split in card.splits:
        word, _, version = split.name.partition(" (version ")
        clips = split.clips or (card.clips or 0) / len(card.splits)  # UrbanSound8K's folds, as if alike
        if clips and (not taken or word in taken) and version in ("", f"{chosen.get('version')})"):
            each = 1.0 if split.captions is None else split.captions / clips  # AudioSet-SL: one a clip
            found[_WORDS.get(word, word)] = (clips, each)
    return found


def kept_s(values: dict[str, Any], dataset: str) -> float:
    """Return the seconds of a recording that prepare keeps."""
    return min(SIZES[values["datasets"][dataset]["kind"]][0], values["prepare"]["maximum_duration_s"])


def count(values: dict[str, Any], role: str) -> list[float]:
    """Return a role's clips, captions, captions to paraphrase, seconds kept by clip and by caption; not to validate."""
    total = [0.0] * 5
    for entry in values["roles"][role]:
        if entry.get("use") == "val":
            continue
        name, where, (low, high) = entry["dataset"], entry.get("where", {}), entry.get("share", (0.0, 1.0))
        wanted = where.get("split") or [f"fold {fold}" for fold in where.get("fold", ())]
        for split, (clips, published) in splits_of(values["datasets"][name]).items():
            if not wanted or split in wanted:
                n, each = clips * (high - low), published or values["rewrite"]["captions_per_clip"]
                limit = values["paraphrase"]["captions_per_clip"]
                seconds = kept_s(values, name)
                more = n, n * each, n * min(each, limit), n * seconds, n * each * seconds
                total = [*map(sum, zip(total, more, strict=True))]
    return total


def estimate(recipe: str, rates: Rates) -> dict[str, dict[str, float]]:
    """Return table → heading → figure."""
    values = read_params(ROOT / "recipes" / f"{recipe}.yaml")
    model, width = values["teacher"]["model"], int(values["embed"]["precision"][2:]) / 8
    start = model.get("start")
    weights, clip, clip_learned = AUDIO[start or model["audio"]["kind"]]
    words, layers = TEXT[start or model["text"]["model"]]
    text = 2 * layers * rates.tokens_per_text  # FLOPs of a caption, forward
    learned = 0.0 if not start and model["text"]["frozen"] else 3 * text  # frozen: states are kept
    train, train_captions, reworded, *train_s = count(values, "paired")
    pool, _, _, pool_s, _ = count(values, "unpaired")
    queries = count(values, "retrieval")[1]
    captions, dimension = (count(values, "text")[1], model["head"]["dimension"]) if pool else (0.0, 0)

    clips = kept_h = download = raw = 0.0
    for name, options in values["datasets"].items():
        number = sum(n for n, _ in splits_of(options).values())
        if options["kind"] in SIZES:  # all but judgements
            _, nbytes, archives_nbytes = SIZES[options["kind"]]
            whole = load_kind(options["kind"]).CARD.clips or 6300  # TUT 2017: both sets
            packed, files = archives_nbytes * number / whole / 1e9, number * nbytes / 1e9
            clips, kept_h = clips + number, kept_h + number * kept_s(values, name) / 3600
            download, raw = download + (packed or files), raw + packed + files

    shards_gb = kept_h * 3600 * values["prepare"]["sample_rate_hz"] * 2 * rates.flac_share / 1e9
    embeddings_gb, models_gb = (pool + captions) * dimension * width / 1e9, 8 * (weights + words) / 1e9

    paraphrase, synthesize = values["paraphrase"], values["synthesize"]
    new = synthesize["captions_per_clip"]
    reworded *= paraphrase["model"] != "builtin"
    reworded = rates.askings * (reworded + queries * (paraphrase["test_model"] != "builtin"))
    made = rates.askings * train * (synthesize["model"] != "builtin" and new > 0)
    asked = reworded * rates.paraphrase_tokens_in + made * rates.new_tokens_in
    answered = reworded * rates.paraphrase_tokens_out + made * rates.new_tokens_out * new / 5

    peak = 3600e12 * rates.utilisation * rates.bf16_tflops  # FLOPs of an hour

    def training(section: dict[str, Any]) -> tuple[float, float, float]:
        """Return steps, GPU hours, CPU hours of decoding."""
        objective, batch = section["objective"], section["batch_size"] * section["accumulation"]
        a_pass = train_captions + new * train * bool(section.get("synthetic_share"))
        steps = math.ceil(section["epochs"] * a_pass / batch) if section["steps"] is None else section["steps"]
        views, masks = objective.get("paraphrase", {}), objective.get("hierarchy", {})
        part = masks.get("share", 0) * bool(masks.get("weight"))  # encoded L + 2 times more
        heard = 1 + part * (masks.get("audio_levels", 0) + 2)
        read = 1 + len(views.get("levels", ())) * bool(views.get("weight")) + part * (masks.get("text_levels", 0) + 2)
        pair = heard * clip_learned + read * learned
        pair += clip + read * text if section.get("encode_at_once") else 0.0
        flops = steps * batch * pair
        if objective["contrastive"]["targets"] == "soft":  # the teacher's view, of the whole pool at most
            flops += (train + pool) * clip
        # Seconds of a drawn clip: where captions are passed over, a clip is drawn once for each of its own.
        drawn_s = train_s[1] / train_captions if section["pass_over"] == "captions" else train_s[0] / train
        sources = {name: section.get("sources", {}).get(name) or 0.0 for name in ("paired", "domain", "curated")}
        if sources["curated"] and pool:  # each batch is of one source, drawn by weight
            curated = sources["curated"] / sum(sources.values())
            drawn_s = (1 - curated) * drawn_s + curated * pool_s / pool
        decoded_h = steps * batch * drawn_s / 3600 * (section["inputs"] == "streamed")
        return steps, flops / peak, decoded_h * rates.decode_cpu_s_per_h / 3600

    teacher, student = training(values["teacher"]), training(values["student"])
    return {
        "data": {
            "clips": clips,
            "hours kept": kept_h,
            "download, GB": download,
            "raw, GB": raw,
            "shards, GB": shards_gb,
            "embeddings, GB": embeddings_gb,
            "models, GB": models_gb,
            "in all, GB": raw + shards_gb + embeddings_gb + models_gb,
        },
        "processor": {
            "prepare, fingerprint, CPU h": kept_h * rates.prepare_cpu_s_per_h / 3600,
            "pool, clips": pool,
            "pool, captions": captions,
            "search on two cores, h": 2 * pool * captions * dimension / rates.search_gflops / 3.6e12,
            "decoding for training, CPU h": teacher[2] + student[2],
            "for embed, CPU h": pool_s * rates.decode_cpu_s_per_h / 3600**2,
        },
        "captions": {
            "requests": reworded + made,
            "tokens in, M": asked / 1e6,
            "tokens out, M": answered / 1e6,
            "cost, USD": (asked * rates.input_usd + answered * rates.output_usd) / 1e6,
            "own server, h": answered / rates.answered_tokens_per_s / 3600,
        },
        "GPU": {
            "teacher, steps": teacher[0],
            "student, steps": student[0],
            "teacher, GPU h": teacher[1],
            "student, GPU h": student[1],
            "embed, GPU h": (pool * clip + captions * text) / (peak / 2),
        },
    }


def tables(rates: Rates) -> list[str]:
    """Return the tables of docs/scale.md."""
    found = {recipe: estimate(recipe, rates) for recipe in RECIPES}
    made = []
    for table, headings in found[RECIPES[0]].items():
        lines = [f"| recipe | {' | '.join(headings)} |", "|---" * (len(headings) + 1) + "|"]
        for name, one in found.items():
            cells = [f"{value:,.0f}" if "steps" in key else _short(value) for key, value in one[table].items()]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
        made.append("\n".join(lines))
    return made


def _short(value: float) -> str:
    """Return two digits."""
    if value < 0.01:
        return "< 0.01" if value else "–"
    rounded = round(value, 1 - math.floor(math.log10(value)))
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.3g}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    for field in fields(Rates):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    print("\n\n".join(tables(Rates(**vars(parser.parse_args())))))


if __name__ == "__main__":
    main()
