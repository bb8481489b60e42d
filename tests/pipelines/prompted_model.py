"""Makes a tiny random recogniser with an attention decoder and Canary's prompts."""

from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_variables

SPECIAL = [START, END, *(f"<|{name}|>" for name in ("en", "de", "transcribe", "translate", "pnc", "nopnc"))]


def prompted_archive(*, ends_at_once: bool = False) -> Archive:
    """Returns the model.

    Args:
      ends_at_once: the first token is the end of the text, whatever is heard.
    """
    tokenizer = train_tokenizer(["say a word"], type="bpe", vocab_size=24, special=SPECIAL)
    end = tokenizer.pieces.index(END)
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": end}
    search = {"beam_size": 1, "more_than_frames": 4}
    model: dict[str, Any] = ATTENTION | {"decoder": ATTENTION["decoder"] | sizes, "search": search}
    # Weights large enough that what is asked for matters.
    variables = jax.tree.map(lambda x: 2 * x, random_variables(model))
    if ends_at_once:
        bias = variables["params"]["decoder"]["bias"]
        variables["params"]["decoder"]["bias"] = np.where(np.arange(len(bias)) == end, 1000, bias).astype(np.float32)
    return Archive(model, {"tokenizer": tokenizer, "prompt": PromptFormat("canary")}, variables, {})
