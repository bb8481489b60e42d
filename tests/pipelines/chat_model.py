"""The smallest models that answer: one that hears, and a tokenizer of bytes for them."""

import json
from functools import cache

import jax
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.text.byte_pair import BytePairTokenizer
from jaxspeech.text.chat import Chat

SPECIAL = ("<|im_start|>", "<|im_end|>")
HEARING = {
    "task": "speech_lm",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling": "stacking"},
        **{"conv_norm": "layer", "conv_kernel": 5, "dropout": 0.0, "dropout_pre_encoder": 0.0, "dropout_att": 0.0},
    },
    "connector": {"name": "projection"},
    "decoder": {
        **{"name": "causal_transformer", "vocab_size": 264, "width": 16, "num_layers": 1, "num_heads": 2},
        **{"num_groups": 1, "hidden_width": 24, "scan_layers": False},
    },
}


def byte_tokenizer() -> BytePairTokenizer:
    """A tokenizer with a token for each byte, and the special tokens of the template "qwen"."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    settings = {"eos_token": SPECIAL[1]}
    return BytePairTokenizer(tokenizer.to_str().encode(), json.dumps(settings).encode())


@cache
def chat_archive(template: str = "qwen") -> Archive:
    """A model with random weights."""
    rng, shapes = np.random.default_rng(5), jax.eval_shape(build(HEARING).init, jax.random.key(0))
    # Far from zero, so that answers differ; without compiling anything.
    variables = jax.tree.map(lambda x: rng.normal(1 if x.ndim == 1 else 0, 0.6, x.shape).astype(x.dtype), shapes)
    return Archive(HEARING, {"tokenizer": byte_tokenizer(), "chat": Chat(template)}, variables, {})
