"""The one-file archive: an uncompressed zip of configuration, assets and weights.

    config.json        {"model": ..., "assets": {name: its config}}
    assets/NAME/*      the asset's files
    checkpoint/*       the Orbax tree of the variables, which TensorStore reads where it lies
    metadata.json      {"format", "jaxspeech", "files": {name: {"size", "sha256"}}, "metadata": ...}

Reading runs no code and writes nothing: members are those that metadata.json lists, stored as they are, each with
its size and hash, and no array is larger than what is stored of it.

Format 1 had one tokenizer and no other assets: {"model": ..., "tokenizer": ...} and tokenizer/*. It is still read.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import zipfile
from concurrent.futures import ProcessPoolExecutor
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
from jaxspeech.runtime.logs import silence_orbax
from jaxspeech.types import Variables

FORMAT = 2
READABLE = (1, 2)
TREE = "checkpoint/state/"
_NAME = r"\w[\w.-]*"
MEMBER = re.compile(
    rf"(config|metadata)\.json|tokenizer/{_NAME}|assets/{_NAME}/{_NAME}|checkpoint/({_NAME}/)*{_NAME}", re.ASCII
)
# What zipfile, json and TensorStore raise over damaged input.
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, NotImplementedError)
# TensorStore keeps values of up to this many bytes compressed in its index, larger ones as they are.
INLINE_BYTES = 1024
BLOCK_BYTES = 1 << 22
# TensorStore reads no member of a zip that has 2 GiB or more.
CHUNK_BYTES = 1 << 28


class Archive(NamedTuple):
    """What a model file holds, whichever format it came from.

    Attributes:
      model: the configuration that `build` takes.
      assets: what the model owns beside its weights, by name; a recogniser has a "tokenizer".
      variables: nested dicts of NumPy arrays.
      metadata: whatever its writer wanted to say, JSON-able.
    """

    model: dict[str, Any]
    assets: Assets
    variables: Variables
    metadata: dict[str, Any]

    def cast(self, dtype: Any) -> "Archive":
        """The same with floating-point parameters in `dtype` (None: as they are); running statistics stay."""
        if dtype is None:
            return self

        def cast(x: Any) -> Any:
            return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

        return self._replace(variables=self.variables | {"params": jax.tree.map(cast, self.variables["params"])})


def save_archive(
    path: str | os.PathLike[str],
    *,
    model: dict[str, Any],
    assets: Assets,
    variables: Variables,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes one file at `path`, which holds the old file or the whole new one whatever happens.

    Args:
      path: conventionally ends in .jaxspeech; its folder is made.
      model: the configuration that `build` takes, JSON-able.
      assets: what the model owns, each saved with its files.
      variables: nested dicts of arrays.
      metadata: anything JSON-able that `load_archive` shall return.
    Raises:
      ArchiveError: the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    if path.suffix == ".nemo":
        raise ArchiveError(
            f"{path}: this writes our archives (.jaxspeech); NeMo's are written by Recognizer.export_nemo and "
            "jaxspeech convert"
        )
    configs = {name: asset.config() for name, asset in assets.items()}
    small = {"config.json": _to_json({"model": model, "assets": configs})}
    for name, asset in assets.items():
        small |= {f"assets/{name}/{file}": content for file, content in asset.files().items()}
    for name in small:
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"{path}: an asset's file cannot be called {name!r}: letters, digits, _ . - only")
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
        raise ArchiveError(f"{path}: cannot be written ({_system_reason(error)}); the old file is as it was") from error


def load_archive(path: str | os.PathLike[str], *, dtype: Any = None) -> Archive:
    """Reads an archive.

    Args:
      path: written by `save_archive`.
      dtype: casts the floating-point parameters; running statistics keep their own type.
    Raises:
      ArchiveError: the file is missing, damaged, or not such an archive.
    """
    path = Path(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = _verified_metadata(archive)
            config = json.loads(archive.read("config.json"))
            assets = _read_assets(archive, config)
            tree = json.loads(archive.read(TREE + "_METADATA"))["tree_metadata"]
            num_bytes = sum(i.file_size for i in archive.infolist() if i.filename.startswith("checkpoint/"))
        variables = _load_tree(path, tree, num_bytes)
        return Archive(dict(config["model"]), assets, variables, metadata).cast(dtype)
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error
    except (*DAMAGE, RecursionError) as error:
        raise ArchiveError(f"{path}: not a jaxspeech archive, or damaged ({_system_reason(error)})") from error


def _read_assets(archive: zipfile.ZipFile, config: dict[str, Any]) -> dict[str, Any]:
    """The assets that config.json lists, of their files; format 1 has a tokenizer."""
    folders = {"tokenizer/": ("tokenizer", config["tokenizer"])} if "tokenizer" in config else {}
    folders |= {f"assets/{name}/": (name, settings) for name, settings in dict(config.get("assets", {})).items()}
    files: dict[str, dict[str, bytes]] = {folder: {} for folder in folders}
    for member in archive.namelist():
        if member.startswith(("tokenizer/", "assets/")):
            folder, _, file = member.rpartition("/")
            if f"{folder}/" not in files:
                raise ArchiveError(f"{member} belongs to no asset of its config.json")
            files[f"{folder}/"][file] = archive.read(member)
    return {name: build_asset(name, settings, files[folder]) for folder, (name, settings) in folders.items()}


def _to_json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _save_tree(folder: Path, variables: Variables) -> None:
    """Saves the variables with Orbax, uncompressed so that they can be read where they lie."""
    from orbax.checkpoint import v1 as ocp  # most of a second, and only for saving

    context = ocp.Context()
    context.array.saving.use_compression = False
    context.array.saving.storage_options.chunk_byte_size = CHUNK_BYTES
    context.array.saving.ocdbt_target_data_file_size = CHUNK_BYTES
    silence_orbax()
    with context:
        ocp.save(str(folder.absolute()), variables)


def _save_tree_alone(folder: Path, variables: Variables) -> None:
    """The same for one process among several that train together.

    Orbax would wait for the others. So it is done by a process that has none, and no use for the devices.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _leave_devices_alone) as process:
        process.submit(_save_tree, folder, variables).result()


def _leave_devices_alone() -> None:
    jax.config.update("jax_platforms", "cpu")


def _write_zip(stream: BinaryIO, small: dict[str, bytes], tree: Path, metadata: dict[str, Any]) -> None:
    """Stores every file, and their sizes and hashes last."""
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


def _verified_metadata(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The writer's metadata, once every member is what metadata.json says."""
    members = {member.filename: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ArchiveError("two members of one name")
    for name, member in members.items():
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"unexpected member {name!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ArchiveError(f"member {name!r} is compressed")
    if "metadata.json" not in members:
        raise ArchiveError("not a jaxspeech archive (no metadata.json)")
    content = json.loads(archive.read("metadata.json"))
    if content["format"] not in READABLE:
        raise ArchiveError(f"format {content['format']!r} is newer than this jaxspeech reads ({FORMAT}): update it")
    files = content["files"]
    if missing := sorted(set(files) ^ (set(members) - {"metadata.json"})):
        raise ArchiveError(f"its list of files and its members differ in {missing[0]!r}")
    for name, expected in files.items():
        if members[name].file_size != expected["size"]:
            raise ArchiveError(f"{name}: {members[name].file_size} bytes, expected {expected['size']}")
        digest = hashlib.sha256()
        with archive.open(name) as member:
            while block := member.read(BLOCK_BYTES):
                digest.update(block)
        if digest.hexdigest() != expected["sha256"]:
            raise ArchiveError(f"{name} is damaged (SHA-256 differs)")
    return dict(content["metadata"])


def _load_tree(path: Path, tree: dict[str, Any], num_bytes: int) -> Variables:
    """The nested dict of arrays that `tree`, Orbax's description, says lies in the archive."""
    base = {"driver": "zip", "base": {"driver": "file", "path": str(path.absolute())}, "path": TREE}
    context = ts.Context()

    def open_array(keys: tuple[str, ...]) -> Any:
        kvstore = {"driver": "ocdbt", "base": base, "path": ".".join(keys) + "/"}
        return ts.open({"driver": "zarr3", "kvstore": kvstore}, context=context, open=True, read=True)

    nodes = {tuple(part["key"] for part in entry["key_metadata"]): entry["value_metadata"] for entry in tree.values()}
    # Empty dicts are nodes too, of another type and with nothing stored.
    opening = {keys: open_array(keys) for keys, value in nodes.items() if not value["skip_deserialize"]}
    arrays = {keys: future.result() for keys, future in opening.items()}
    stated = sum(array.size * array.dtype.numpy_dtype.itemsize for array in arrays.values())
    if stated > num_bytes + INLINE_BYTES * len(arrays):
        raise ArchiveError(f"its arrays would take {stated} bytes, of which {num_bytes} are stored")
    reading = {keys: array.read() for keys, array in arrays.items()}
    variables: Variables = {}
    for keys in nodes:
        *parents, last = keys
        node = variables
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = reading[keys].result() if keys in reading else {}
    return variables


def _system_reason(error: BaseException) -> str:
    """The short reason inside an error of the system, of TensorStore ("...: reason [os_error_code=...]"), or any."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split(" [")[0].splitlines()[0].rsplit(": ", 1)[-1] if str(error) else type(error).__name__
