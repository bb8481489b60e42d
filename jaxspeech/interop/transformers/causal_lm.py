"""Reads and writes the folder of a decoder-only language model of Hugging Face Transformers."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.errors import ArchiveError
from jaxspeech.forms.inference import unstacked
from jaxspeech.forms.low_rank import without_low_rank
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.interop.transformers.causal_config import read_causal_config, write_causal_config
from jaxspeech.interop.transformers.causal_rows import UNUSED, causal_rows
from jaxspeech.interop.transformers.folder import CONFIG, stored_tensors
from jaxspeech.interop.transformers.safetensors_writer import write_shards
from jaxspeech.text.byte_pair import GENERATION, BytePairTokenizer, read_byte_pair
from jaxspeech.text.chat import CHAT, Chat

# The special token of which a tokenizer's conversations are made -> the template; Qwen3's has thoughts besides.
TEMPLATES = {"<|start_header_id|>": "llama3", "<|im_start|>": "qwen"}
HEAD, TABLE = "lm_head.weight", "model.embed_tokens.weight"


def read_causal_lm(
    folder: Path,
    config: Mapping[str, Any],
    *,
    dtype: Any = None,
    stacked: bool = True,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Archive:
    """Reads a model; besides its weights, one array at a time is in memory.

    Args:
      folder: with model.safetensors or its shards, and tokenizer.json.
      config: the content of its config.json.
      dtype: of the parameters; None: each as in the file, half precision too.
      stacked, place: as in `load_transformers`.

    Raises:
      SpeechError: the model is not supported, or damaged; one line lists all reasons.
    """
    decoder = read_causal_config(config)
    if dtype is not None:
        decoder["dtype"] = np.dtype(dtype).name
    model: dict[str, Any] = {"task": "causal_lm", "decoder": decoder}
    if not stacked:
        model = unstacked(model)
    tokenizer = _tokenizer(folder, config)
    if tokenizer.vocab_size > decoder["vocab_size"]:
        raise ArchiveError(f"its tokenizer has {tokenizer.vocab_size} tokens, its model {decoder['vocab_size']}")
    _, expected = build_with_shapes(model)
    tensors = _without_second_table(stored_tensors(folder), tied=decoder["tied"])
    options: dict[str, Any] = {"unused": UNUSED, "dtype": dtype, "place": place, "as_stored": dtype is None}
    variables = to_variables(tensors, causal_rows(decoder), expected, **options)
    assets: dict[str, Any] = {"tokenizer": tokenizer}
    if (template := _template(config, tokenizer)) is not None:
        assets[CHAT] = Chat(template)
    metadata = {"source": "transformers", "transformers_config": dict(config)}
    return Archive(model, assets, variables, metadata)


def save_causal_lm(archive: Archive, folder: str | os.PathLike[str]) -> None:
    """Writes a folder from which Transformers reads the model: config.json, model.safetensors, tokenizer.json.

    Args:
      archive: of the task "causal_lm"; LoRA is added to the matrices that it stands beside.
      folder: made if it is not there.

    Raises:
      ArchiveError: the model is of a different task, no family of Transformers has it, or it cannot be written.
    """
    if archive.model.get("task") != "causal_lm":
        raise ArchiveError(f"only a causal_lm can be written for Transformers, not a {archive.model.get('task')}")
    decoder, params = without_low_rank(archive.model["decoder"], archive.variables["params"]["decoder"])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = write_causal_config(decoder)
    tokenizer = archive.assets.get("tokenizer")
    if isinstance(tokenizer, BytePairTokenizer):
        config |= {"eos_token_id": tokenizer.end_id, "bos_token_id": tokenizer.begin_id}
        if tokenizer.end_ids:
            ends = json.dumps({"eos_token_id": list(tokenizer.end_ids)})
            (folder / GENERATION).write_text(ends + "\n", encoding="utf-8")
        for name, content in tokenizer.folder_files().items():
            (folder / name).write_bytes(content)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_shards(folder, lambda: to_tensors({"params": {"decoder": params}}, causal_rows(decoder)))


def _tokenizer(folder: Path, config: Mapping[str, Any]) -> BytePairTokenizer:
    """The tokenizer; where there is no generation_config.json, config.json says which ids end a text."""
    tokenizer, ends = read_byte_pair(folder), config.get("eos_token_id")
    if ends is None or (folder / GENERATION).is_file():
        return tokenizer
    return BytePairTokenizer.build(files=tokenizer.files(), end_ids=ends if isinstance(ends, list) else [ends])


def _template(config: Mapping[str, Any], tokenizer: BytePairTokenizer) -> str | None:
    """The template of the model's conversations; None if its tokenizer does not show one."""
    found = next((name for token, name in TEMPLATES.items() if tokenizer.id_of(token) is not None), None)
    return "qwen3" if found == "qwen" and config.get("model_type") == "qwen3" else found


def _without_second_table(tensors: Mapping[str, Any], *, tied: bool) -> dict[str, Any]:
    """Leaves out the head of a tied model, which some files have although it is the table."""
    tensors = dict(tensors)
    if tied and HEAD in tensors and TABLE in tensors:
        head = tensors.pop(HEAD)
        if not np.array_equal(np.asarray(head), np.asarray(tensors[TABLE])):
            raise ArchiveError(f"{HEAD} differs from {TABLE}, although its configuration says tie_word_embeddings")
    return tensors
