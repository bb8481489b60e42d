"""Trains one recogniser of two languages, English and Esperanto, which says of each word in which language it is.

    python -m pip install "jaxspeech[quickstart]"
    python train.py --config=quickstart_languages
    python train.py --config=quickstart_languages:en      # English alone, with half the steps; or :eo

Each language has a tokenizer of its own, and half of what an epoch shows are utterances in both languages, which are
joined while batches are loaded (code_switched). The evaluation has the parts "en", "eo" and "mixed", in which a voice
says a sentence in each language. The corpus is made at the start, see jaxspeech/data/quickstart_languages.py.

    jaxspeech transcribe --model=runs/quickstart_languages/model.jaxspeech --timestamps --format=jsonl a.wav

Time and scores: see docs/languages.md.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import quickstart
from jaxspeech.configs.base import any_type

LANGUAGES = ("en", "eo")


def get_config(kind: str = "both") -> ConfigDict:
    if kind not in ("both", *LANGUAGES):
        raise ValueError(f"configs/quickstart_languages.py:{kind}: use {', '.join(LANGUAGES)}, or nothing for both")
    config = quickstart.get_config()
    languages = LANGUAGES if kind == "both" else (kind,)
    config.tokenizer.vocab_size = 128  # of each language
    config.tokenizer.languages = any_type(languages)
    config.data.prepare = "quickstart_languages" if kind == "both" else f"quickstart_{kind}"
    config.choose = "last"
    if kind == "both":
        config.code_switched = {
            "min_seconds": 3.5,
            "max_seconds": 10.0,
            "min_monolingual": 0.5,
        }
    else:  # as often as the recipe of both shows each utterance
        config.steps //= 2
        config.eval_every = config.checkpoint_every = 475
    return config
