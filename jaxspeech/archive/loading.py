"""Reads archives, all of whose members are verified before or while they are used."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxspeech.archive.container import CHECKPOINT, verified_metadata, verify_hashes
from jaxspeech.archive.content import ALIGNER, Archive
from jaxspeech.archive.reason import system_reason
from jaxspeech.archive.tree import TREE, load_tree
from jaxspeech.assets import build_asset
from jaxspeech.errors import ArchiveError, SpeechError

# Exceptions that zipfile, json and TensorStore raise for damaged input.
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, NotImplementedError)


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
        raise ArchiveError(f"{path}: not a jaxspeech archive, or damaged ({system_reason(error)})") from error


def _without_variables(archive: zipfile.ZipFile, config: dict[str, Any]) -> Archive:
    """Reads the second model of an archive but for its variables, which are in the tree of the first one."""
    assets = _read_assets(archive, config, f"{ALIGNER}/")
    return Archive(dict(config["model"]), assets, {}, dict(config["metadata"]))


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
