"""A model from a file or from the Hub, ready to transcribe.

asr = load("model.jaxspeech")
"""

import functools
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.archive import Archive, load_archive
from jaxspeech.builder import DTYPES
from jaxspeech.errors import ArchiveError, ConfigError, did_you_mean
from jaxspeech.forms.inference import for_training
from jaxspeech.forms.search import with_search
from jaxspeech.hub import download, is_hub_name
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.pipelines.recognizer import Recognizer

# Others' formats come in the form for inference, array by array to the device: never two copies of the model.
_load_nemo = functools.partial(load_nemo, stacked=False, place=jax.device_put)
_load_folder = functools.partial(load_transformers, stacked=False, place=jax.device_put)
LOADERS = {".jaxspeech": load_archive, ".nemo": _load_nemo}
# The same on the host, in the form for training.
TRAINING_LOADERS = {".jaxspeech": load_archive, ".nemo": load_nemo}
EXAMPLE_NAME = "nvidia/parakeet-tdt-0.6b-v2"


def load(
    path: str | os.PathLike[str], *, dtype: str | None = None, head: str | None = None, beam_size: int | None = None
) -> Recognizer:
    """A model file, ready to transcribe.

    Args:
      path: a .jaxspeech archive, a .nemo file, the folder of a Parakeet that Hugging Face Transformers saved, or
        the name of a model on the Hugging Face Hub ("organisation/model").
      dtype: "bfloat16", "float16" or "float32", for the parameters and the matrix products; None is as in the file.
      head: "transducer" or "ctc": which of a hybrid model's heads decides; None is as in the file.
      beam_size: hypotheses of a transducer's search; 1 is the greedy search, None is as in the file.

    Raises:
      ArchiveError: no such file, another kind of file, or a damaged one.
      ConfigError: a model that this version cannot build, an unknown dtype, or a search that the model does not have.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r}{did_you_mean(str(dtype), DTYPES)}")
    path = _on_disk(path)
    read = _load_folder if path.is_dir() else LOADERS[path.suffix]
    archive = read(path, dtype=None if dtype is None else jnp.dtype(DTYPES[dtype]))
    return Recognizer(archive._replace(model=with_search(archive.model, head=head, beam_size=beam_size)), dtype=dtype)


def read_model(path: str | os.PathLike[str]) -> Archive:
    """A model to train further: float32 on the host, equal layers stacked. Takes and raises what `load` does."""
    path = _on_disk(path)
    archive = (load_transformers if path.is_dir() else TRAINING_LOADERS[path.suffix])(path, dtype=jnp.float32)
    model, variables = for_training(archive.model, archive.variables)
    return archive._replace(model=model, variables=variables)


def from_pretrained(
    name: str, *, filename: str | None = None, revision: str | None = None, **options: Any
) -> Recognizer:
    """A model of the Hugging Face Hub; `load(name)` with a choice of its file and revision.

    Args:
      name: "organisation/model", or one of the names of `list_models`, with or without "nvidia/".
      filename: which of the repository's files; needed where it has several models.
      revision: branch, tag or commit; the main branch by default.
      options: of `load`.

    Raises:
      ArchiveError: it cannot be had; or as `load`.
    """
    return load(download(name, filename=filename, revision=revision), **options)


def _on_disk(path: str | os.PathLike[str]) -> Path:
    """Where a model is, once it is here.

    Raises:
      ArchiveError: it is none of the kinds that can be read.
    """
    if not os.path.exists(path) and is_hub_name(os.fspath(path)):
        path = download(os.fspath(path))
    path = Path(path)
    if not path.is_dir() and path.suffix not in LOADERS:
        raise ArchiveError(f"{path}: expected a .jaxspeech or .nemo file, or a Hub name such as {EXAMPLE_NAME}")
    return path
