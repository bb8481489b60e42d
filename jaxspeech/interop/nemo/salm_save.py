"""Writes a language model that hears as the folder of a SALM, which NeMo reads with `SALM.from_pretrained(folder)`.

The language model's own configuration and the tokenizer lie in it, so that NeMo needs no other model and no network.
The same model always gives the same files.
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.interop.nemo.families.acoustic import ACOUSTIC_PARTS, acoustic_remarks
from jaxspeech.interop.nemo.families.family import NemoPart, Source
from jaxspeech.interop.nemo.lost_fields import lost_fields
from jaxspeech.interop.nemo.salm import BACKBONE, NAME, TABLE, salm_derived, salm_rows
from jaxspeech.interop.nemo.salm_config import model_of, nemo_config_of
from jaxspeech.interop.nemo.sections.conformer import CONFORMER
from jaxspeech.interop.nemo.weights.derived import derived_tensors, with_counts
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.interop.transformers.causal_config import read_causal_config, write_causal_config
from jaxspeech.interop.transformers.folder import CONFIG
from jaxspeech.interop.transformers.safetensors_writer import write_shards
from jaxspeech.text.byte_pair import BytePairTokenizer

SETTINGS = "tokenizer_config.json"
# Without a class Transformers would look for one that belongs to the model, which it does not know.
ANY_TOKENIZER = "PreTrainedTokenizerFast"
NEW_LLM = "llm"
OF_CONNECTOR = {"encoder": NemoPart("encoder", {"ConformerEncoder": CONFORMER})}
# NeMo reads one file, whatever its size.
ONE_FILE = 1 << 62


def save_salm(folder: str | os.PathLike[str], archive: Archive) -> list[str]:
    """Writes the folder.

    Besides the model, one tensor is in memory.

    Args:
      folder: made if it is not there; files in it of the same names are replaced.
      archive: of the task "speech_lm". What `load_salm` put into its metadata is kept.

    Returns:
      What NeMo does differently with this model, a sentence each.

    Raises:
      ArchiveError: it cannot be written, or NeMo has no counterpart of the model; lists all reasons.
    """
    folder = Path(folder)
    try:
        if folder.suffix == ".nemo" or folder.is_file():
            raise ArchiveError("NeMo keeps a speech language model in a folder: give the name of one")
        source = Source(archive.model, build(archive.model).model, archive.assets)
        tokenizer = archive.assets.get("tokenizer")
        if not isinstance(tokenizer, BytePairTokenizer):
            raise ArchiveError("NeMo has such models only with a tokenizer.json; this one has a different tokenizer")
        config, llm, rows = _configs(source, archive.metadata, tokenizer)
        to_tensors(archive.variables, rows)  # raises before anything is written
        small = {CONFIG: _json(config), f"{BACKBONE}/{CONFIG}": _json(llm)}
        for name, content in tokenizer.folder_files().items():
            small[name] = _with_class(content) if name == SETTINGS else content
        (folder / BACKBONE).mkdir(parents=True, exist_ok=True)
        tied = {salm_head(source): TABLE} if source.module.decoder.tied else {}
        write_shards(folder, lambda: _tensors(source, archive, rows), most_bytes=ONE_FILE, metadata=tied)
        for name, content in small.items():
            with replace_atomically(folder / name) as path:
                path.write_bytes(content)
    except SpeechError as error:
        raise ArchiveError(f"{folder}: {error}") from error
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return acoustic_remarks(source)


def salm_head(source: Source) -> str:
    """NeMo's name of the output layer."""
    return f"llm.{'base_model.model.' if source.module.decoder.lora.rank else ''}lm_head.weight"


def _configs(
    source: Source, metadata: Mapping[str, Any], tokenizer: BytePairTokenizer
) -> tuple[dict[str, Any], dict[str, Any], list[TensorRow]]:
    """NeMo's configuration, the language model's, and the rows; what would be lost is found by reading both again."""
    base = metadata.get("nemo_config") or {}
    config = nemo_config_of(source, base, llm=str(base.get(NAME) or NEW_LLM))
    llm = write_causal_config(source.config["decoder"])
    before = metadata.get("llm_config") or {}
    if before and _shape(before) == _shape(llm):
        llm = before
    else:
        llm |= {"eos_token_id": tokenizer.end_id, "bos_token_id": tokenizer.begin_id}
    returned = model_of(config, read_causal_config(llm))
    read = build(returned).model
    problems = lost_fields(ACOUSTIC_PARTS, source.config, source.module, read)
    if source.config["connector"]["name"] == "conformer":
        lost = lost_fields(OF_CONNECTOR, source.config["connector"], source.module.connector, read.connector)
        problems += [f"connector.{problem}" for problem in lost]
    elif source.module.connector.outputs_of != read.connector.outputs_of:
        problems.append(f"connector.layers {source.module.connector.outputs_of}")
    if problems:
        raise ArchiveError(f"NeMo has no counterpart of {'; '.join(problems)}")
    return config, dict(llm), salm_rows(returned)


def _shape(llm: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields of a language model's configuration, but for its dtype: NeMo reads all of them as float32."""
    return {name: value for name, value in read_causal_config(llm).items() if name != "dtype"}


def _tensors(source: Source, archive: Archive, rows: Sequence[TensorRow]) -> Iterator[tuple[str, np.ndarray]]:
    kept = archive.metadata.get("nemo_derived") or {}
    derived = derived_tensors(salm_derived(source.module), kept)
    return itertools.chain(derived, with_counts(to_tensors(archive.variables, rows), kept))


def _with_class(content: bytes) -> bytes:
    settings = json.loads(content)
    return content if settings.get("tokenizer_class") else _json(settings | {"tokenizer_class": ANY_TOKENIZER})


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
