"""Recognition and translation with an attention decoder on your own manifests, at the sizes of NVIDIA's Canary models.

    python train.py --config=configs/canary.py:180m-flash --workdir=runs/canary \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

| size       | parameters | encoder: width, layers | decoder: layers | tokens | prompts |
|------------|-----------:|-----------------------:|----------------:|-------:|---------|
| 180m-flash |      183 M |                512, 17 |               4 |   5248 | canary2 |
| 1b-flash   |      884 M |               1024, 32 |               4 |   5248 | canary2 |
| 1b-v2      |      962 M |               1024, 32 |               8 |  16384 | canary2 |
| 1b         |     1.02 B |               1024, 24 |              24 |   5248 | canary  |

The lines of the manifests say what is asked for ("source_lang", "target_lang", "pnc", ...), and "text" is the answer:
docs/attention.md. The tokenizer is one SentencePiece model with the special tokens of `LANGUAGES`; to train further
from a published file, which has its own, set --config.init_from and --config.tokenizer.type=model. No figures: they
depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import pick, published, with_prompts
from jaxspeech.configs.recognizers import FASTCONFORMER, attention

SIZES = {
    "180m-flash": {"width": 512, "num_layers": 17, "decoder": 4, "format": "canary2"},
    "1b-flash": {"width": 1024, "num_layers": 32, "decoder": 4, "format": "canary2"},
    "1b-v2": {"width": 1024, "num_layers": 32, "decoder": 8, "format": "canary2", "vocab_size": 16384},
    "1b": {"width": 1024, "num_layers": 24, "decoder": 24, "format": "canary", "max_length": 512},
}
LANGUAGES = ("en", "de", "es", "fr")
SWITCHES = ("pnc", "itn", "timestamp", "diarize")


def special_tokens(languages: tuple[str, ...], *, format: str) -> tuple[str, ...]:
    """Make the special tokens of a format, besides those of start and end."""
    named = [*languages, *(f"{no}{name}" for name in SWITCHES for no in ("", "no"))]
    if format == "canary":
        return tuple(f"<|{name}|>" for name in (*named, "transcribe", "translate"))
    return tuple(f"<|{name}|>" for name in ("startofcontext", "emo:undefined", *named))


def get_config(size: str = "180m-flash") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="canary")
    large = sizes["width"] == 1024
    encoder = FASTCONFORMER | {"width": sizes["width"], "num_layers": sizes["num_layers"], "num_heads": 8}
    encoder |= {"xscaling": False, "dtype": "bfloat16", "remat": "full" if large else "dots"}
    decoder = {"num_layers": sizes["decoder"], "max_length": sizes.get("max_length", 1024)}
    config = published(attention(encoder, decoder=decoder))
    config.model.features.num_mels = 128
    config.data.max_seconds = 40.0
    config.augment.speed = (1.0,)
    config.tokenizer.vocab_size = sizes.get("vocab_size", 5248)
    format = sizes["format"]
    config = with_prompts(config, format=format, special=special_tokens(LANGUAGES, format=format))
    config.optimizer.learning_rate = 3e-4
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "inverse_sqrt", "warmup_steps": 2_500, "min_learning_rate": 1e-6}
    return config
