"""Loads a model from a file or from the Hub, as the class for its kind.

asr = load("model.jaxspeech")
speakers = load("titanet.nemo", Embedder)
"""

import functools
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import jax
import jax.numpy as jnp

import jaxspeech
from jaxspeech.archive import Archive, load_archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError, did_you_mean
from jaxspeech.forms.inference import for_training
from jaxspeech.forms.int8 import INT8
from jaxspeech.hub import download, download_tokenizer, is_hub_name
from jaxspeech.interop.nemo import is_salm_folder, load_nemo, load_salm, missing_backbone
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.pipelines.doors import DOORS, Door, WrongDoor
from jaxspeech.tasks.branches import branch
from jaxspeech.tasks.parts import DTYPES

if TYPE_CHECKING:
    from jaxspeech.pipelines.recognizer import Recognizer

M = TypeVar("M")


def _load_folder(path: str | os.PathLike[str], **options: Any) -> Archive:
    """Reads a folder of NeMo's or of Transformers; the tokenizer that one of NeMo's may lack is that of its LLM."""
    if not is_salm_folder(path):
        return load_transformers(path, **options)
    missing = missing_backbone(path)
    return load_salm(path, backbone=missing and download_tokenizer(missing), **options)


# Other formats are read in the form for inference, array by array onto the device: never two copies of the model.
_load_nemo = functools.partial(load_nemo, stacked=False, place=jax.device_put)
_read_folder = functools.partial(_load_folder, stacked=False, place=jax.device_put)
LOADERS = {".jaxspeech": load_archive, ".nemo": _load_nemo}
# The same, read onto the host in the form for training.
TRAINING_LOADERS = {".jaxspeech": load_archive, ".nemo": load_nemo}
EXAMPLE_NAME = "nvidia/parakeet-tdt-0.6b-v2"


@overload
def load(
    path: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    head: str | None = None,
    beam_size: int | None = None,
    language: str | None = None,
    search: Mapping[str, Any] | None = None,
) -> "Recognizer": ...


@overload
def load(path: str | os.PathLike[str], kind: type[M], *, dtype: str | None = None, **options: Any) -> M: ...


def load(path: str | os.PathLike[str], kind: Any = None, *, dtype: str | None = None, **options: Any) -> Any:
    """Loads a model that is ready to use.

        asr = load("model.jaxspeech")
        commands = load("commands.jaxspeech", jaxspeech.Classifier)

    Args:
      path: a .jaxspeech archive, a .nemo file, the folder of a Parakeet, Canary or language model that Hugging Face
        Transformers saved, that of a SALM that NeMo saved, or the name of a model on the Hugging Face Hub
        ("organisation/model").
      kind: the class to load it as; `Recognizer` by default.
      dtype: "bfloat16", "float16" or "float32", for the parameters and the matrix products; "int8" for the matrices of
        a language model; None: as in the file.
      options: further options of the class. A `Recognizer` has `head`, "transducer" or "ctc": the head of a hybrid
        model that transcribes; `beam_size`, the texts that the search keeps, 1 for greedy search; `language`, the
        one that is spoken, for a model with a softmax for each; and `search`, further options of the search by their
        names. None: as in the file.

    Raises:
      ArchiveError: the file does not exist, has an unknown type, or is damaged.
      ConfigError: this version cannot build the model, the class takes a different kind of model, the dtype or an
        option is unknown, or the model does not have the search.
    """
    kind = jaxspeech.Recognizer if kind is None else kind
    _check_kind(kind)
    _check_options(kind, options)
    _check_dtype(dtype)
    path = _on_disk(path)
    archive = _read(path, dtype)
    try:
        return kind(archive, dtype=dtype, **options)
    except WrongDoor as error:
        raise ConfigError(f"{path} is {error.door.noun}: {_how_to_load(error.door)}") from None


def load_any(path: str | os.PathLike[str], *, dtype: str | None = None, **options: Any) -> Any:
    """Loads a model as the class for its kind, whatever that is; takes and raises what `load` does.

    Options that are None need not be options of that class.
    """
    _check_dtype(dtype)
    path = _on_disk(path)
    archive = _read(path, dtype)
    door = DOORS[type(build(archive.model).inference)]
    if door.name not in jaxspeech.PUBLIC:
        raise ConfigError(f"{path} is {door.noun}: {_how_to_load(door)}")
    kind, given = getattr(jaxspeech, door.name), {name: value for name, value in options.items() if value is not None}
    _check_options(kind, given)
    return kind(archive, dtype=dtype, **given)


def _check_dtype(dtype: str | None) -> None:
    """Raises ConfigError if the dtype is unknown."""
    known = (*DTYPES, INT8)
    if dtype is not None and dtype not in known:
        raise ConfigError(f"dtype {dtype!r}{did_you_mean(str(dtype), known)}")


def _check_options(kind: Any, options: Mapping[str, Any]) -> None:
    """Raises ConfigError if the class has no such option."""
    known = [name for name, p in inspect.signature(kind).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise ConfigError(f"{kind.__name__} has no option {name!r}{did_you_mean(name, known)}")


def read_archive(path: str | os.PathLike[str], *, dtype: str | None = None) -> Archive:
    """Reads a model as `load` does, of any kind. Takes and raises what `load` does."""
    return _read(_on_disk(path), dtype)


def _read(path: Path, dtype: str | None) -> Archive:
    read = _read_folder if path.is_dir() else LOADERS[path.suffix]
    return _recognizer_alone(read(path, dtype=jnp.dtype(DTYPES[dtype]) if dtype in DTYPES else None))


def _recognizer_alone(archive: Archive) -> Archive:
    """The recogniser of a model that was saved with what spoke to it, which only training needs; others as they are."""
    if archive.model.get("task") != "hybrid_text":
        return archive
    assets = {name: asset for name, asset in archive.assets.items() if name != "front_end"}
    model, variables = dict(archive.model["recognizer"]), branch(archive.variables, "recognizer")
    return archive._replace(model=model, assets=assets, variables=variables)


def _check_kind(kind: Any) -> None:
    """Raises ConfigError if `kind` is not a class for models."""
    if getattr(kind, "takes", None) not in DOORS:
        classes = ", ".join(f"jaxspeech.{door.name}" for door in DOORS.values() if door.name in jaxspeech.PUBLIC)
        raise ConfigError(f"load(path, kind): the kind is {kind!r}; it is one of {classes}")


def _how_to_load(door: Door) -> str:
    if door.name in jaxspeech.PUBLIC:
        return f"jaxspeech.load(path, jaxspeech.{door.name})"
    return "this version of jaxspeech has no class for these"


def read_model(path: str | os.PathLike[str]) -> Archive:
    """Reads a model for training: float32 on the host, equal layers stacked. Takes and raises what `load` does."""
    path = _on_disk(path)
    archive = (_load_folder if path.is_dir() else TRAINING_LOADERS[path.suffix])(path, dtype=jnp.float32)
    model, variables = for_training(archive.model, archive.variables)
    return archive._replace(model=model, variables=variables)


@overload
def from_pretrained(
    name: str,
    *,
    filename: str | None = None,
    revision: str | None = None,
    dtype: str | None = None,
    head: str | None = None,
    beam_size: int | None = None,
    language: str | None = None,
) -> "Recognizer": ...


@overload
def from_pretrained(
    name: str, kind: type[M], *, filename: str | None = None, revision: str | None = None, **options: Any
) -> M: ...


def from_pretrained(
    name: str, kind: Any = None, *, filename: str | None = None, revision: str | None = None, **options: Any
) -> Any:
    """Loads a model of the Hugging Face Hub; like `load(name)`, with a choice of file and revision.

    Args:
      name: "organisation/model", or one of the names of `list_models`, with or without "nvidia/".
      kind: as in `load`.
      filename: one of the repository's files; needed if it has several models.
      revision: branch, tag or commit; the main branch by default.
      options: as in `load`.

    Raises:
      ArchiveError: it cannot be downloaded; or as `load`.
    """
    return load(download(name, filename=filename, revision=revision), kind, **options)


def _on_disk(path: str | os.PathLike[str]) -> Path:
    """The path of a model on disk, after downloading it if needed.

    Raises:
      ArchiveError: it is not of a type that can be read.
    """
    if not os.path.exists(path) and is_hub_name(os.fspath(path)):
        path = download(os.fspath(path))
    path = Path(path)
    if not path.is_dir() and path.suffix not in LOADERS:
        raise ArchiveError(f"{path}: expected a .jaxspeech or .nemo file, or a Hub name such as {EXAMPLE_NAME}")
    return path
