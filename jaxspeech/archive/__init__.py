"""Reads and writes archives: one file per model, an uncompressed zip of configuration, assets and weights.

    config.json        {"model": ..., "assets": {name: its config}}
    assets/NAME/*      the asset's files
    checkpoint/*       the Orbax tree of the variables, which TensorStore reads without extracting it
    aligner/assets/*   the same of a second model that aligns texts, if there is one; its configuration is in
                       config.json too, and its variables are the branch "aligner" of the tree
    metadata.json      {"format", "jaxspeech", "files": {name: {"size", "sha256"}}, "metadata": ...}

Reading executes no code and writes no file. The members must be exactly those that metadata.json lists, uncompressed,
with their sizes and hashes, and the arrays must not be larger than the stored bytes.

Format 1, which can still be read, had a tokenizer and no other assets: {"model": ..., "tokenizer": ...}, tokenizer/*.
"""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxspeech.archive.container import CHECKPOINT, MEMBER, to_json, verified_metadata, verify_hashes, write_zip
from jaxspeech.archive.tree import TREE, load_tree, save_tree
from jaxspeech.assets import Assets, build_asset
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.types import Variables

ALIGNER = "aligner"
# Exceptions that zipfile, json and TensorStore raise for damaged input.
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, NotImplementedError)


class Archive(NamedTuple):
    """The content of a model file, whatever its format.

    Attributes:
      model: the configuration, as `build` expects it.
      assets: what the model needs besides its weights, by name; a recogniser has a "tokenizer".
      variables: nested dicts of NumPy arrays.
      metadata: any information from the writer, JSON-serialisable.
      aligner: a second model with a CTC head, which finds when the text of this one was said; most have none.
    """

    model: dict[str, Any]
    assets: Assets
    variables: Variables
    metadata: dict[str, Any]
    aligner: "Archive | None" = None

    def cast(self, dtype: Any) -> "Archive":
        """Casts floating-point parameters to `dtype` (None keeps them); running statistics keep their dtype."""
        if dtype is None:
            return self

        def cast(x: Any) -> Any:
            return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

        params = jax.tree.map(cast, self.variables["params"])
        aligner = None if self.aligner is None else self.aligner.cast(dtype)
        return self._replace(variables=self.variables | {"params": params}, aligner=aligner)


def save_archive(
    path: str | os.PathLike[str],
    *,
    model: dict[str, Any],
    assets: Assets,
    variables: Variables,
    metadata: dict[str, Any] | None = None,
    aligner: Archive | None = None,
) -> None:
    """Writes an archive atomically: after an interruption, `path` is either the old file or the complete new one.

    Args:
      path: conventionally ends in .jaxspeech; its folder is created.
      model: the configuration, as `build` expects it, JSON-serialisable.
      assets: the assets of the model, saved with their files.
      variables: nested dicts of arrays.
      metadata: anything JSON-serialisable, which `load_archive` returns.
      aligner: a second model, see `Archive`.

    Raises:
      ArchiveError: the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # a symbolic link is kept, and its target replaced
    if path.suffix == ".nemo":
        raise ArchiveError(
            f"{path}: this writes jaxspeech archives (.jaxspeech); write .nemo files with Recognizer.export_nemo or "
            "jaxspeech convert"
        )
    config, small = {"model": model, "assets": _configs(assets)}, _asset_files(assets)
    if aligner is not None:
        config[ALIGNER] = {"model": aligner.model, "assets": _configs(aligner.assets), "metadata": aligner.metadata}
        small |= {f"{ALIGNER}/{name}": content for name, content in _asset_files(aligner.assets).items()}
        variables = {**variables, ALIGNER: aligner.variables}
    small = {"config.json": to_json(config), **small}
    for name in small:
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"{path}: an asset's file cannot be named {name!r}: use only letters, digits, _ . -")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as written:
            tree = written.parent / "checkpoint"
            save_tree(tree, variables)
            with open(written, "wb") as stream:
                write_zip(stream, small, tree, metadata or {})
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and "os_error_code" not in str(error):
            raise
        raise ArchiveError(f"{path}: cannot be written ({_system_reason(error)}); the old file is unchanged") from error


def load_archive(path: str | os.PathLike[str], *, dtype: Any = None) -> Archive:
    """Reads an archive.

    Args:
      path: a file written by `save_archive`.
      dtype: casts floating-point parameters to it; running statistics keep their dtype.

    Raises:
      ArchiveError: the file is missing, damaged, or not an archive.
    """
    with _opened(path) as (archive, metadata, files):
        config = json.loads(archive.read("config.json"))
        assets, beside = _read_assets(archive, config), config.get(ALIGNER)
        aligner = None if beside is None else _without_variables(archive, beside)
        if beside is None and (lost := [name for name in files if name.startswith(f"{ALIGNER}/")]):
            raise ArchiveError(f"{lost[0]} belongs to no model in its config.json")
        tree = json.loads(archive.read(TREE + "_METADATA"))["tree_metadata"]
        num_bytes = sum(i.file_size for i in archive.infolist() if i.filename.startswith(CHECKPOINT))
        with ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(verify_hashes, archive, files, lambda name: name.startswith(CHECKPOINT))
            try:
                variables = load_tree(path, tree, num_bytes)
            finally:
                hashed.result()  # its error says which member is damaged
        if aligner is not None:
            aligner = aligner._replace(variables=variables.pop(ALIGNER))
        return Archive(dict(config["model"]), assets, variables, metadata, aligner).cast(dtype)


def load_assets(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the assets of an archive, but not its variables.

    Raises:
      ArchiveError: the file is missing, damaged, or not an archive.
    """
    with _opened(path) as (archive, _, _):
        return _read_assets(archive, json.loads(archive.read("config.json")))


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any], dict[str, Any]]]:
    """Opens an archive, all of whose members but the variables are undamaged; with its metadata, and list of files.

    Raises:
      ArchiveError: the file is missing, or damaged, as is found out here or inside the context.
    """
    if not Path(path).is_file():
        raise ArchiveError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            metadata, files = verified_metadata(archive)
            verify_hashes(archive, files, lambda name: not name.startswith(CHECKPOINT))
            yield archive, metadata, files
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error
    except (*DAMAGE, RecursionError) as error:
        raise ArchiveError(f"{path}: not a jaxspeech archive, or damaged ({_system_reason(error)})") from error


def _without_variables(archive: zipfile.ZipFile, config: dict[str, Any]) -> Archive:
    """Reads the second model of an archive but for its variables, which are in the tree of the first one."""
    assets = _read_assets(archive, config, f"{ALIGNER}/")
    return Archive(dict(config["model"]), assets, {}, dict(config["metadata"]))


def _configs(assets: Assets) -> dict[str, Any]:
    return {name: asset.config() for name, asset in assets.items()}


def _asset_files(assets: Assets) -> dict[str, bytes]:
    """The members that hold the files of assets."""
    files = ((f"assets/{name}/{file}", content) for name, a in assets.items() for file, content in a.files().items())
    return dict(files)


def _read_assets(archive: zipfile.ZipFile, config: dict[str, Any], root: str = "") -> dict[str, Any]:
    """Rebuilds the assets that a configuration lists from their files below `root`; format 1 has only a tokenizer."""
    folders = {"tokenizer/": ("tokenizer", config["tokenizer"])} if "tokenizer" in config else {}
    folders |= {f"{root}assets/{name}/": (name, of) for name, of in dict(config.get("assets", {})).items()}
    files: dict[str, dict[str, bytes]] = {folder: {} for folder in folders}
    for member in archive.namelist():
        if member.startswith((f"{root}tokenizer/", f"{root}assets/")):
            folder, _, file = member.rpartition("/")
            if f"{folder}/" not in files:
                raise ArchiveError(f"{member} belongs to no asset in its config.json")
            files[f"{folder}/"][file] = archive.read(member)
    return {name: build_asset(name, settings, files[folder]) for folder, (name, settings) in folders.items()}


def _system_reason(error: BaseException) -> str:
    """Returns the short reason of an error, also of TensorStore's, "...: reason [os_error_code=...]"."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split(" [")[0].splitlines()[0].rsplit(": ", 1)[-1] if str(error) else type(error).__name__
