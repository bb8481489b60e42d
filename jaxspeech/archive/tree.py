"""The variables of an archive: an Orbax tree, which TensorStore reads without extracting it from the zip."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tensorstore as ts

from jaxspeech.errors import ArchiveError
from jaxspeech.runtime.aligned import aligned_empty
from jaxspeech.runtime.logs import silence_orbax
from jaxspeech.types import Variables

TREE = "checkpoint/state/"
# TensorStore stores values up to this many bytes compressed in its index, and larger ones uncompressed.
INLINE_BYTES = 1024
# TensorStore cannot read members of a zip of 2 GiB or more, so arrays are stored in chunks of this many bytes.
CHUNK_BYTES = 1 << 28


def save_tree(folder: Path, variables: Variables) -> None:
    """Saves the variables in a folder, from one process of a run, however many it has."""
    save = _save if jax.process_count() == 1 else _save_alone
    save(folder, jax.tree.map(np.asarray, variables))


def _save(folder: Path, variables: Variables) -> None:
    """Saves the variables with Orbax, uncompressed, so that they can be read without extracting them."""
    from orbax.checkpoint import v1 as ocp  # imported here: it takes most of a second, and only saving needs it

    context = ocp.Context()
    context.array.saving.use_compression = False
    context.array.saving.storage_options.chunk_byte_size = CHUNK_BYTES
    context.array.saving.ocdbt_target_data_file_size = CHUNK_BYTES
    silence_orbax()
    with context:
        ocp.save(str(folder.absolute()), variables)


def _save_alone(folder: Path, variables: Variables) -> None:
    """Saves the variables from one process of a distributed run.

    There Orbax would wait for the other processes, so a separate process, which is not part of the run and uses no
    accelerator, saves them.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _leave_devices_alone) as process:
        process.submit(_save, folder, variables).result()


def _leave_devices_alone() -> None:
    jax.config.update("jax_platforms", "cpu")


def load_tree(path: str | os.PathLike[str], tree: dict[str, Any], num_bytes: int) -> Variables:
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
