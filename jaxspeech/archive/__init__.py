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
import hashlib
import importlib.metadata
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tensorstore as ts

from jaxspeech.assets import Assets, build_asset
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.aligned import aligned_empty
from jaxspeech.runtime.logs import silence_orbax
from jaxspeech.types import Variables

FORMAT = 2
READABLE = (1, 2)
TREE = "checkpoint/state/"
ALIGNER = "aligner"
_NAME = r"\w[\w.-]*"
MEMBER = re.compile(
    rf"(config|metadata)\.json|tokenizer/{_NAME}|({ALIGNER}/)?assets/{_NAME}/{_NAME}|checkpoint/({_NAME}/)*{_NAME}",
    re.ASCII,
)
# Exceptions that zipfile, json and TensorStore raise for damaged input.
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, NotImplementedError)
# TensorStore stores values up to this many bytes compressed in its index, and larger ones uncompressed.
INLINE_BYTES = 1024
BLOCK_BYTES = 1 << 22
# TensorStore cannot read members of a zip of 2 GiB or more, so arrays are stored in chunks of this many bytes.
CHUNK_BYTES = 1 << 28


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
    small = {"config.json": _to_json(config), **small}
    for name in small:
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"{path}: an asset's file cannot be named {name!r}: use only letters, digits, _ . -")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as written:
            tree = written.parent / "checkpoint"
            save_tree = _save_tree if jax.process_count() == 1 else _save_tree_alone
            save_tree(tree, jax.tree.map(np.asarray, variables))
            with open(written, "wb") as stream:
                _write_zip(stream, small, tree, metadata or {})
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
        num_bytes = sum(i.file_size for i in archive.infolist() if i.filename.startswith("checkpoint/"))
        with ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(_verify_hashes, archive, files, lambda name: name.startswith("checkpoint/"))
            try:
                variables = _load_tree(path, tree, num_bytes)
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
            metadata, files = _verified_metadata(archive)
            _verify_hashes(archive, files, lambda name: not name.startswith("checkpoint/"))
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


def _to_json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _save_tree(folder: Path, variables: Variables) -> None:
    """Saves the variables with Orbax, uncompressed, so that they can be read without extracting them."""
    from orbax.checkpoint import v1 as ocp  # imported here: it takes most of a second, and only saving needs it

    context = ocp.Context()
    context.array.saving.use_compression = False
    context.array.saving.storage_options.chunk_byte_size = CHUNK_BYTES
    context.array.saving.ocdbt_target_data_file_size = CHUNK_BYTES
    silence_orbax()
    with context:
        ocp.save(str(folder.absolute()), variables)


def _save_tree_alone(folder: Path, variables: Variables) -> None:
    """Saves the variables from one process of a distributed run.

    There Orbax would wait for the other processes, so a separate process, which is not part of the run and uses no
    accelerator, saves them.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _leave_devices_alone) as process:
        process.submit(_save_tree, folder, variables).result()


def _leave_devices_alone() -> None:
    jax.config.update("jax_platforms", "cpu")


def _write_zip(stream: BinaryIO, small: dict[str, bytes], tree: Path, metadata: dict[str, Any]) -> None:
    """Writes every file uncompressed, followed by metadata.json with their sizes and hashes."""
    files = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in small.items():
            archive.writestr(zipfile.ZipInfo(name), content)
            files[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file in sorted(p for p in tree.rglob("*") if p.is_file()):
            name = f"checkpoint/{file.relative_to(tree).as_posix()}"
            with open(file, "rb") as source, archive.open(zipfile.ZipInfo(name), "w") as target:
                digest = hashlib.sha256()
                while block := source.read(BLOCK_BYTES):
                    digest.update(block)
                    target.write(block)
            files[name] = {"size": file.stat().st_size, "sha256": digest.hexdigest()}
        version = importlib.metadata.version("jaxspeech")
        content = {"format": FORMAT, "jaxspeech": version, "files": files, "metadata": metadata}
        archive.writestr(zipfile.ZipInfo("metadata.json"), _to_json(content))


def _verified_metadata(archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verifies names and sizes of all members; returns the writer's metadata, and the list of the other members."""
    members = {member.filename: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ArchiveError("two members have the same name")
    for name, member in members.items():
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"unexpected member {name!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ArchiveError(f"member {name!r} is compressed")
    if "metadata.json" not in members:
        raise ArchiveError("not a jaxspeech archive (no metadata.json)")
    content = json.loads(archive.read("metadata.json"))
    if content["format"] not in READABLE:
        raise ArchiveError(
            f"format {content['format']!r} is newer than this jaxspeech reads ({FORMAT}): update jaxspeech"
        )
    files = content["files"]
    if missing := sorted(set(files) ^ (set(members) - {"metadata.json"})):
        raise ArchiveError(f"its list of files and its members differ: {missing[0]!r}")
    for name, expected in files.items():
        if members[name].file_size != expected["size"]:
            raise ArchiveError(f"{name}: {members[name].file_size} bytes, expected {expected['size']}")
    return dict(content["metadata"]), files


def _verify_hashes(archive: zipfile.ZipFile, files: dict[str, Any], chosen: Callable[[str], bool]) -> None:
    """Verifies the content of the members that are `chosen`."""
    for name in filter(chosen, files):
        digest = hashlib.sha256()
        with archive.open(name) as member:
            while block := member.read(BLOCK_BYTES):
                digest.update(block)
        if digest.hexdigest() != files[name]["sha256"]:
            raise ArchiveError(f"{name} is damaged (SHA-256 differs)")


def _load_tree(path: str | os.PathLike[str], tree: dict[str, Any], num_bytes: int) -> Variables:
    """Reads the arrays in the archive as a nested dict; `tree` is their description by Orbax."""
    # TensorStore takes no path with "..".
    base = {"driver": "zip", "base": {"driver": "file", "path": os.path.realpath(path)}, "path": TREE}
    context = ts.Context()

    def open_array(keys: tuple[str, ...]) -> Any:
        kvstore = {"driver": "ocdbt", "base": base, "path": ".".join(keys) + "/"}
        return ts.open({"driver": "zarr3", "kvstore": kvstore}, context=context, open=True, read=True)

    nodes = {tuple(part["key"] for part in entry["key_metadata"]): entry["value_metadata"] for entry in tree.values()}
    # Empty dicts are nodes too, with a type of their own and no data.
    opening = {keys: open_array(keys) for keys, value in nodes.items() if not value["skip_deserialize"]}
    arrays = {keys: future.result() for keys, future in opening.items()}
    stated = sum(array.size * array.dtype.numpy_dtype.itemsize for array in arrays.values())
    if stated > num_bytes + INLINE_BYTES * len(arrays):
        raise ArchiveError(f"its arrays would take {stated} bytes, but only {num_bytes} are stored")
    filled = {keys: aligned_empty(array.shape, array.dtype.numpy_dtype) for keys, array in arrays.items()}
    reading = [ts.array(filled[keys], copy=False, write=True).write(array) for keys, array in arrays.items()]
    for future in reading:
        future.result()
    variables: Variables = {}
    for keys in nodes:
        *parents, last = keys
        node = variables
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = filled.get(keys, {})
    return variables


def _system_reason(error: BaseException) -> str:
    """Returns the short reason of an error, also of TensorStore's, "...: reason [os_error_code=...]"."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split(" [")[0].splitlines()[0].rsplit(": ", 1)[-1] if str(error) else type(error).__name__
