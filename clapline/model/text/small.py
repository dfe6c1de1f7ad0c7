"""The small default: a BERT from scratch, with a tokenizer of its own."""

from __future__ import annotations

from clapline.model.text.encoder import TransformersText
from clapline.model.text.tokenizer import CaptionTokenizer
from clapline.params.text_encoder import TextEncoder

DROPOUT = 0.1


class TransformerText(TransformersText):
    """A BERT of the settings' width and depth, its weights drawn from torch's generator."""

    def __init__(self, settings: TextEncoder, tokens: CaptionTokenizer) -> None:
        from transformers import BertConfig, BertModel

        dropout = DROPOUT if settings.dropout is None else settings.dropout
        config = BertConfig(
            vocab_size=tokens.vocabulary,
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.attention_heads,
            intermediate_size=4 * settings.width,
            max_position_embeddings=settings.maximum_tokens,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            pad_token_id=tokens.padding,
        )
        super().__init__(settings, BertModel(config, add_pooling_layer=False), tokens)
