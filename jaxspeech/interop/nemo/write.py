"""A model of ours to a .nemo file, without torch: configuration, tokenizer, weights, container."""

import io
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from jaxspeech.assets import Assets
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.interop.nemo.config import translate_model
from jaxspeech.interop.nemo.container import CONFIG, WEIGHTS
from jaxspeech.interop.nemo.nemo_config import nemo_config
from jaxspeech.interop.nemo.tar import add_member, end_tar
from jaxspeech.interop.nemo.tokenizer_files import tokenizer_files
from jaxspeech.interop.nemo.weights import rows_of
from jaxspeech.interop.nemo.weights.derived import frontend_tensors, with_counts
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.interop.nemo.writer import write_checkpoint
from jaxspeech.types import Variables


class _WithoutAliases(yaml.SafeDumper):
    """Writes a list again wherever it stands, as the peer does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(config: Mapping[str, Any]) -> bytes:
    """The content of model_config.yaml."""
    return yaml.dump(dict(config), Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True).encode()


def save_nemo(
    path: str | os.PathLike[str],
    *,
    model: dict[str, Any],
    assets: Assets,
    variables: Variables,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes a NeMo model, which that restores with strict=True and which transcribes as ours does.

    The same model gives the same file. In memory there is, beside the model, no more than its largest tensor.

    Args:
      path: conventionally ends in .nemo; its folder is made. It holds the old file or the whole new one whatever
        happens.
      model: the configuration that `build` takes.
      assets: what the model owns: its tokenizer.
      variables: nested dicts of arrays, on the host or a device.
      metadata: of the archive; what `load_nemo` put there is kept in the file.
    Raises:
      ArchiveError: the file cannot be written, or NeMo has no such model: with all that is in the way.
    """
    path = Path(path)
    metadata = metadata or {}
    try:
        tokenizer = assets["tokenizer"]
        section, files = tokenizer_files(tokenizer.config(), tokenizer.files())
        base, kept = (metadata.get(name) or {} for name in ("nemo_config", "nemo_derived"))
        config = nemo_config(model, pieces=tokenizer.pieces, tokenizer=section, base=base)
        tensors = to_tensors(variables, rows_of(translate_model(config)))
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error

    def write_weights(stream: io.BufferedIOBase) -> None:
        derived = frontend_tensors(build(model).model.frontend, kept)
        write_checkpoint(stream, itertools.chain(derived, with_counts(tensors, kept)))

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as written, open(written, "wb") as stream:
            for name, content in {**files, CONFIG: to_yaml(config)}.items():
                add_member(stream, name, lambda stream, content=content: stream.write(content))
            add_member(stream, WEIGHTS, write_weights)
            end_tar(stream)
    except OSError as error:
        reason = error.strerror or error
        raise ArchiveError(f"{path}: cannot be written ({reason}); the old file is as it was") from error
