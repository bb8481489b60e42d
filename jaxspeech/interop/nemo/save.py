"""Saves a model of ours as a .nemo file, without torch: configuration, assets, weights, container."""

import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.forms.embedding_head import embedding
from jaxspeech.interop.nemo.container import ALIGNER_CONFIG, ALIGNER_WEIGHTS, WEIGHTS
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import to_nemo
from jaxspeech.interop.nemo.plain_yaml import CONFIG, to_yaml
from jaxspeech.interop.nemo.salm_save import save_salm
from jaxspeech.interop.nemo.tar import add_member, end_tar
from jaxspeech.interop.nemo.weights.derived import derived_tensors, with_counts
from jaxspeech.interop.nemo.weights.write import copies, to_tensors
from jaxspeech.interop.nemo.writer import write_checkpoint
from jaxspeech.types import Variables

# Tasks whose models NeMo keeps in a folder of their own layout.
FOLDERS: dict[str, Callable[[Path, Archive], list[str]]] = {"speech_lm": save_salm}


def save_nemo(
    path: str | os.PathLike[str],
    *,
    model: dict[str, Any],
    assets: Assets,
    variables: Variables,
    metadata: dict[str, Any] | None = None,
    aligner: Archive | None = None,
) -> list[str]:
    """Writes a .nemo file that NeMo restores with strict=True, and that gives the same results there as here.

    The same model always gives the same file. Besides the model, at most one tensor is in memory.

    Args:
      path: conventionally ends in .nemo; its folder is created. Whatever happens, it holds the old file or the complete
        new one. NeMo keeps some models in a folder: for those it is its name (`FOLDERS`).
      model: the configuration that `build` takes.
      assets: what the model owns besides its variables, such as a tokenizer.
      variables: nested dicts of arrays, on the host or a device.
      metadata: of the archive; what `load_nemo` put there is kept in the file.
      aligner: a second model, see `Archive`.
    Returns:
      What NeMo does differently with this model, a sentence each.
    Raises:
      ArchiveError: the file cannot be written, or NeMo has no counterpart of the model; lists all reasons.
    """
    path = Path(path)
    archive = Archive(model, assets, variables, metadata or {}, aligner)
    if model.get("task") in FOLDERS:
        return FOLDERS[model["task"]](path, archive)
    try:
        first = _prepared(archive, CONFIG, WEIGHTS)
        parts = [first] if aligner is None else [first, _prepared(aligner, ALIGNER_CONFIG, ALIGNER_WEIGHTS)]
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error
    # Files with the same content have the same name: both models may have the same tokenizer.
    small = {name: content for part in parts for name, content in part.small.items()}

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as written, open(written, "wb") as stream:
            for name, content in small.items():
                add_member(stream, name, lambda stream, content=content: stream.write(content))
            for part in parts:
                add_member(stream, part.weights, part.write_weights)
            end_tar(stream)
    except OSError as error:
        reason = error.strerror or error
        raise ArchiveError(f"{path}: cannot be written ({reason}); the old file is unchanged") from error
    return [remark for part in parts for remark in part.remarks]


class _Prepared(NamedTuple):
    """A model in NeMo's form.

    Attributes:
      small: its configuration and the files that this names, by their members' names.
      weights: the name of the member for its weights.
      write_weights: writes these.
      remarks: what NeMo does differently with it.
    """

    small: dict[str, bytes]
    weights: str
    write_weights: Callable[[io.BufferedIOBase], None]
    remarks: list[str]


def _prepared(archive: Archive, config_name: str, weights: str) -> _Prepared:
    base, kept = (archive.metadata.get(name) or {} for name in ("nemo_config", "nemo_derived"))
    model = embedding(archive.model)  # NeMo has one class for both forms
    family = family_of_model(model, archive.assets)
    source = Source(model, build(model).model, archive.assets, archive.aligner is not None)
    config, files, returned = to_nemo(source, base)
    rows = family.rows(returned)
    whole = family.folded(source, archive.variables)
    tensors = to_tensors(whole, rows)

    def write_weights(stream: io.BufferedIOBase) -> None:
        derived = derived_tensors({**family.derived(source.module), **family.written(source.module)}, kept)
        write_checkpoint(stream, itertools.chain(derived, with_counts(tensors, kept)), copies(rows))

    new = sorted(whole["params"].keys() - archive.variables["params"].keys())
    remarks = [f"this model has no {', '.join(new)}: those in the file are untrained"] if new else []
    remarks += family.remarks(source)
    return _Prepared({**files, config_name: to_yaml(config)}, weights, write_weights, remarks)
