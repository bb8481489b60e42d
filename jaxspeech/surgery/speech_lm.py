"""Makes a language model that hears of a model with a speech encoder and a language model.

speech language model = features, encoder of the first;  decoder, tokenizer of the second;  a new connector, new LoRA

Before training the decoder computes what the language model does: LoRA's matrices B are zero. What it hears means
nothing to it yet, as the connector is random.
"""

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build, plain
from jaxspeech.errors import ConfigError
from jaxspeech.forms.low_rank import without_low_rank
from jaxspeech.text.chat import CHAT, Chat
from jaxspeech.types import Variables

PROJECTION = {"name": "projection"}
# The decoder's name in configurations, and how its new parameters begin that must be zero.
DECODER, ZERO = "causal_transformer", "lora_b"
# What is taken of the model with the encoder.
SECTIONS = ("features", "spec_augment", "encoder")


def join_speech_lm(
    speech: Archive,
    llm: Archive,
    *,
    connector: Mapping[str, Any] | None = None,
    lora: Mapping[str, Any] | None = None,
    chat: Chat | None = None,
    seed: int = 0,
) -> Archive:
    """Returns the untrained speech language model of two trained models.

    Args:
      speech: of any task with features and an encoder: a recogniser, a pretrained encoder.
      llm: of the task "causal_lm" or "speech_lm", with its tokenizer; LoRA of its own is added to its matrices.
      connector: the section of the configuration; None is a projection.
      lora: that of the decoder, as in {"rank": 128, "alpha": 256.0}; None is no LoRA.
      chat: the form of the conversations; None is that of the language model, or "qwen".
      seed: of the new parameters.

    Raises:
      ConfigError: one of the models lacks what is taken of it, or both do not fit.
      TokenizerError: the tokenizer lacks a special token of the chat's form.
    """
    for name in ("features", "encoder"):
        if name not in speech.model:
            raise ConfigError(f"a model of the task {speech.model.get('task')!r} has no {name} to hear with")
    decoder = llm.model.get("decoder") or {}
    if decoder.get("name") != DECODER or "tokenizer" not in llm.assets:
        raise ConfigError(f"a model of the task {llm.model.get('task')!r} is no language model with a tokenizer")
    params = llm.variables["params"]["decoder"]
    if (decoder.get("lora") or {}).get("rank"):
        decoder, params = without_low_rank(decoder, params)
    tokenizer = llm.assets["tokenizer"]
    form: Chat = chat or llm.assets.get(CHAT) or Chat("qwen")
    model: dict[str, Any] = {"task": "speech_lm"}
    model |= {name: speech.model[name] for name in SECTIONS if speech.model.get(name)}
    model |= {
        "connector": dict(connector or PROJECTION),
        "decoder": {**decoder, **({"lora": dict(lora)} if lora else {})},
        "search": {"end_ids": form.end_ids(tokenizer)},
    }
    taken = {
        collection: {"encoder": tree["encoder"]} for collection, tree in speech.variables.items() if "encoder" in tree
    }
    taken.setdefault("params", {})["decoder"] = params
    variables = _completed(model, taken, seed)
    return Archive(plain(model), {"tokenizer": tokenizer, CHAT: form}, variables, {"parts": _origins(speech, llm)})


def join_speech_lm_files(speech: str | os.PathLike[str], llm: str | os.PathLike[str], **options: Any) -> Archive:
    """Reads the two models as `loading.read_archive` does, and joins them; otherwise as `join_speech_lm`."""
    from jaxspeech.loading import read_archive  # which imports all pipelines

    return join_speech_lm(read_archive(speech), read_archive(llm), **options)


def _completed(model: Mapping[str, Any], taken: Variables, seed: int) -> Variables:
    """All variables: those that were taken, and the model's own initial values of the others.

    Only these are computed: the compiler leaves the rest of the initialisation out.
    """
    task = build(model)
    shapes = jax.tree_util.tree_leaves_with_path(jax.eval_shape(task.init, jax.random.key(seed)))
    given = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(taken)}
    names = [jax.tree_util.keystr(path) for path, _ in shapes]
    if unused := sorted(given.keys() - set(names)):
        raise ConfigError(f"the speech language model has no place for {unused[0]}")
    for name, (_, shape) in zip(names, shapes, strict=True):
        if name in given and given[name].shape != shape.shape:
            raise ConfigError(f"{name} has the shape {given[name].shape}, in the speech language model {shape.shape}")

    def init(key: Any) -> dict[str, Any]:
        leaves = jax.tree_util.tree_leaves_with_path(task.init(key))
        return {name: leaf for name, (_, leaf) in zip(names, leaves, strict=True) if name not in given}

    new = jax.jit(init)(jax.random.key(seed))
    for name, leaf in new.items():
        if ZERO in name and bool(jnp.any(leaf)):
            raise ConfigError(f"{name} is not zero: LoRA would change the language model before it is trained")
        if "'decoder'" in name and "lora" not in name:
            raise ConfigError(f"the language model has no {name}")
    tree = jax.tree_util.tree_structure(jax.eval_shape(task.init, jax.random.key(seed)))
    return jax.tree_util.tree_unflatten(
        tree, [given[name] if name in given else np.asarray(new[name]) for name in names]
    )


def _origins(speech: Archive, llm: Archive) -> dict[str, Any]:
    """Where both models came from, as far as they say it."""
    return {name: archive.metadata.get("source", "") for name, archive in (("speech", speech), ("llm", llm))}
