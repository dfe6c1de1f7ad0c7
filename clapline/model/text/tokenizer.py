"""Captions to token ids and back into padded batches: tokenizers of our own training, and published ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from clapline.errors import UserError
from clapline.model.inputs import Inputs
from clapline.model.text.words import plain_words

PADDING, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"

CHUNK = 500  # captions tokenised at a time: what a tokenizer returns is far larger than the ids


def train_tokenizer(captions: Sequence[str], vocabulary: int) -> Tokenizer:
    """Train a byte-pair tokenizer on captions: lower case, punctuation stripped, words begin with ▁.

    Every text has a first token, so the empty one (the root of a traversal) has an embedding too.
    """
    tokenizer = _trained(captions, vocabulary, [PADDING, UNKNOWN, START])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 2)])
    return tokenizer


def train_framed_tokenizer(captions: Sequence[str], vocabulary: int) -> Tokenizer:
    """Train the same kind of tokenizer with both ends marked, as the published encoders' tokenizers do.

    The padding has id 1, RoBERTa's: MPNet counts positions from there whatever its config says.
    """
    tokenizer = _trained(captions, vocabulary, [START, PADDING, END, UNKNOWN])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 0), (END, 2)]
    )
    return tokenizer


def _trained(captions: Sequence[str], vocabulary: int, special_tokens: list[str]) -> Tokenizer:
    """Train a plain BPE.

    Plain on purpose: the trainers with affixes (WordPiece, `</w>`) and Unigram give another vocabulary at each
    training (tokenizers 0.23), and with it another model.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.BertNormalizer(lowercase=True), normalizers.Replace(Regex(r"[^\w\s]"), "")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special_tokens, show_progress=False)
    tokenizer.train_from_iterator(sorted(set(captions)), trainer)
    return tokenizer


class CaptionTokenizer:
    """A tokenizer with its padding, its bound on the length, and what is done to a caption before it."""

    def __init__(self, tokenizer: Tokenizer, *, padding: int, maximum_tokens: int, plain: bool) -> None:
        self.tokenizer = tokenizer
        self.padding = padding
        self.plain = plain
        # A file may bring its own padding and bound; the last token that the template adds survives the cut.
        tokenizer.no_padding()
        tokenizer.enable_truncation(maximum_tokens)
        framed = tokenizer.encode("")
        # The ids that the template adds to every text: [CLS] and [SEP], <s> and </s>, an appended end.
        self.special = sorted(
            {token for token, added in zip(framed.ids, framed.special_tokens_mask, strict=True) if added}
        )

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return self.tokenizer.get_vocab_size()

    def tokenise(self, captions: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each caption; at least one: the padding's where a tokenizer has no token to give."""
        captions = [plain_words(caption) for caption in captions] if self.plain else list(captions)
        ids: list[list[int]] = []
        for start in range(0, len(captions), CHUNK):
            encoded = self.tokenizer.encode_batch_fast(captions[start : start + CHUNK])
            ids.extend(item.ids or [self.padding] for item in encoded)
        return ids

    @property
    def collate(self) -> Callable[[Sequence[Sequence[int]]], Inputs]:
        """`pad` with this padding: a small function, which another process can be given."""
        return partial(pad, padding=self.padding)

    def save(self, path: Path) -> None:
        """Write tokenizer.json, which transformers can read too."""
        copy = Tokenizer.from_str(self.tokenizer.to_str())
        copy.enable_padding(pad_id=self.padding, pad_token=copy.id_to_token(self.padding))
        copy.save(str(path))

    @classmethod
    def load(cls, path: Path, *, maximum_tokens: int, plain: bool) -> CaptionTokenizer:
        """Read what `save` wrote. Raises UserError when it is missing or another kind of file."""
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the tokenizers package raises plain Exceptions
            raise UserError(f"{path} is no saved tokenizer: {error}") from None
        if tokenizer.padding is None:
            raise UserError(f"{path} names no padding: it was not saved with a model")
        return cls(tokenizer, padding=tokenizer.padding["pad_id"], maximum_tokens=maximum_tokens, plain=plain)


def pad(rows: Sequence[Sequence[int]], padding: int) -> Inputs:
    """Return `input_ids` and `attention_mask` (1: a token), int64 `(captions, tokens)`, as wide as the longest row."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask.astype(np.int64))}
