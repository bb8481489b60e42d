"""Keeps finished programs on disk: a later process runs them without tracing, lowering or compiling anything.

FOLDER/programs/<SHA-256 of the key>     one program: a line of JSON, then the executable as the compiler serialises it

The key is everything that a program depends on: the function's name, the model's configuration, options, types of all
arguments, the source of this package, versions, device, processor, environment and settings of JAX. It is stored in
full and compared, so that a file never stands for a different program. Nothing is unpickled. But an executable is
machine code: a file counts only if it is the user's own, and nobody else can write it. Any other file, and a damaged
one, is replaced. Functions that were replaced in a running process are not part of the key: set JAXSPEECH_CACHE=off.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import sys
import threading
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.runtime.compilation_cache import own_folder
from jaxspeech.runtime.platform import is_own, processor_facts

# The oldest programs are deleted beyond this size; those of one shape of a 115M model take half a megabyte.
MOST_BYTES = 1 << 29
PACKAGES = ("jax", "jaxlib", "flax", "numpy")
VARIABLES = ("XLA_", "JAX_", "LIBTPU", "TPU_", "CUDA_", "NVIDIA_", "TF_", "ROCM_", "HIP_", "OPENBLAS", "OMP_")
VARIABLES += ("JAXSPEECH_KERNELS",)
# Settings of JAX that change where programs are kept, not what they are.
NOT_OF_PROGRAMS = ("jax_compilation_cache_dir", "jax_persistent_cache", "jax_log", "jax_logging", "jax_debug_log")
# Errors of damaged files, and of a JAX whose executables are not as this file expects.
ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, NotImplementedError, zlib.error)
# What JAX reports when it finds a program in its own cache.
CACHE_HIT = "/jax/compilation_cache/cache_hits"
# How the calls of LAPACK's functions are named in an executable for a CPU.
LINEAR_ALGEBRA = b"lapack_"
_seen = threading.local()


class KeptProgram:
    """A program from disk; it is called like the compiled function."""

    def __init__(self, executable: Any, header: dict[str, Any], device: Any, outputs: dict[str, type]):
        self._executable, self._device = executable, device
        self._kept, self._outputs, self._known = header["kept"], header["outputs"], outputs
        self._types = header["key"]["types"]
        self._taken = frozenset(self._kept)
        self._seen: dict[int, tuple[jax.Array, Any]] = {}  # arguments of the last call, and where the device has them
        self.needed_bytes: int = header["needed_bytes"]

    def __call__(self, *arguments: Any) -> Any:
        leaves = jax.tree.leaves(arguments)
        if len(leaves) != len(self._types):
            raise TypeError("the arguments have a different structure than those that the program was compiled for")
        # Variables are the same arrays in each call; checking and placing hundreds of them takes a tenth of a second.
        seen = self._seen
        new = [i for i, x in enumerate(leaves) if i not in seen or seen[i][0] is not x]
        if any(_type(leaves[i]) != self._types[i] for i in new):
            raise TypeError("the arguments have other shapes or dtypes than those that the program was compiled for")
        taken = [i for i in new if i in self._taken]
        placed = dict(zip(taken, jax.device_put([leaves[i] for i in taken], self._device), strict=True))
        results = self._executable.execute_sharded([placed[i] if i in placed else seen[i][1] for i in self._kept])
        results = results.disassemble_into_single_device_arrays()
        # Arrays of NumPy can change in place.
        self._seen = seen | {i: (leaves[i], placed.get(i)) for i in new if isinstance(leaves[i], jax.Array)}
        return _built(self._outputs, iter([shards[0] for shards in results]), self._known)


def program_key(name: str, config: dict[str, Any], options: dict[str, Any], arguments: Any) -> dict[str, Any] | None:
    """Everything that a program depends on, as JSON; None where programs are not kept.

    Args:
      name: of the function.
      config: of the model.
      options: of the function.
      arguments: of the function; arrays on several devices are not kept.
    """
    device = jax.devices()[0]
    leaves, tree = jax.tree.flatten(arguments)
    if own_folder() is None or jax.process_count() > 1 or not jax.sharding.get_abstract_mesh().empty:
        return None
    if any(isinstance(x, jax.Array) and x.devices() != {device} for x in leaves):
        return None
    settings = {n: repr(getattr(jax.config, n, value)) for n, value in sorted(jax.config.values.items())}
    key = {
        "name": name,
        "config": config,
        "options": {name: repr(value) for name, value in sorted(options.items())},
        "tree": str(tree),
        "types": [_type(x) for x in leaves],
        "source": _source(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES} | {"python": sys.version},
        "device": [device.platform, device.device_kind, device.id, jax.device_count(), device.client.platform_version],
        "processor": processor_facts(),
        "environment": {n: value for n, value in sorted(os.environ.items()) if n.startswith(VARIABLES)},
        "settings": {n: value for n, value in settings.items() if not n.startswith(NOT_OF_PROGRAMS)},
    }
    return json.loads(json.dumps(key, default=repr))


@contextlib.contextmanager
def watch_cache() -> Iterator[list[str]]:
    """Yields a list that is not empty once this thread has got a compiled program from JAX's own cache.

    XLA cannot serialise such a program again: on a CPU, what it writes lacks the functions that the program calls.
    """
    _listen()
    _seen.hits = hits = []
    try:
        yield hits
    finally:
        _seen.hits = None


@cache
def _listen() -> None:
    def note(event: str, **_: Any) -> None:
        hits = getattr(_seen, "hits", None)
        if hits is not None and event == CACHE_HIT:
            hits.append(event)

    jax.monitoring.register_event_listener(note)


def load_program(key: dict[str, Any], outputs: tuple[type, ...]) -> KeptProgram | None:
    """Reads a program; None if there is none, or its file is damaged, foreign or not the user's own.

    Args:
      key: from `program_key`.
      outputs: the NamedTuple classes of which the function's result may consist.
    """
    if (found := read_kept(key)) is None:
        return None
    header, content = found
    try:
        device = jax.devices()[0]
        client: Any = device.client
        if LINEAR_ALGEBRA in content:
            _find_linear_algebra()
        executable = client.deserialize_executable(content, [device], None)
        return KeptProgram(executable, header, device, {kind.__name__: kind for kind in outputs})
    except ERRORS:
        return None


@cache
def _find_linear_algebra() -> None:
    """Lets JAX find the functions of LAPACK, as it does when it lowers one of them; before, to call one is a crash."""
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def save_program(key: dict[str, Any], program: Any, *, needed_bytes: int, outputs: tuple[type, ...]) -> None:
    """Writes a compiled function; does nothing if the folder cannot be written, or the program not be serialised.

    Args:
      key: from `program_key`.
      program: what `jax.jit(...).lower(...).compile()` returned.
      needed_bytes: of memory besides its arguments.
      outputs: as in `load_program`.
    """
    try:
        kept = sorted(program._executable._kept_var_idx)  # arguments that it does not use are left out
        tree = _described(jax.tree.unflatten(program.out_tree, range(program.out_tree.num_leaves)), outputs)
        header = {"kept": kept, "outputs": tree, "needed_bytes": needed_bytes}
        write_kept(key, header, program.runtime_executable().serialize())
    except ERRORS:
        return


def read_kept(key: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
    """Reads a header and a content; None if there is no file, or it is damaged, foreign or not the user's own.

    Args:
      key: from `program_key`.
    """
    path = _path(key)
    try:
        with open(path, "rb") as file:
            if not is_own(os.fstat(file.fileno())):
                return None
            line, digest, content = file.readline(), file.read(32), file.read()
        header = json.loads(line)
        if hashlib.sha256(line + content).digest() != digest or header["key"] != key:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the oldest ones are deleted first
        return header, zlib.decompress(content)
    except ERRORS:
        return None


def write_kept(key: dict[str, Any], header: dict[str, Any], content: bytes) -> None:
    """Writes a file for `read_kept`; does nothing if the folder cannot be written.

    Args:
      key: from `program_key`.
      header: what else is known about the program, JSON-serialisable.
      content: the executable.
    """
    try:
        line = json.dumps({"key": key} | header).encode() + b"\n"
        content = zlib.compress(content, 1)
        path = _path(key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not is_own(path.parent.stat()):  # someone else could place a link under the file's name
            return
        part = path.with_name(f".{os.getpid()}-{threading.get_ident()}")
        try:
            part.touch(mode=0o600)
            part.write_bytes(line + hashlib.sha256(line + content).digest() + content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        _delete_oldest(path.parent)
    except ERRORS:
        return


def _path(key: dict[str, Any]) -> Path:
    folder = own_folder()
    assert folder is not None
    return folder / "programs" / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _delete_oldest(folder: Path) -> None:
    """Keeps the folder below `MOST_BYTES`; another process may delete the same files."""
    found = []
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            found.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            file.unlink()
        total -= size


def _type(x: Any) -> list[Any]:
    return [list(x.shape), np.dtype(x.dtype).name, bool(getattr(x, "weak_type", False))]


def _described(result: Any, known: tuple[type, ...]) -> Any:
    """Describes the structure of a function's result in JSON: known NamedTuples, tuples, dicts and arrays."""
    if isinstance(result, dict):  # in the order of its leaves
        return {name: _described(part, known) for name, part in sorted(result.items())}
    if result is None:
        return None
    if isinstance(result, int):
        return 0
    if isinstance(result, tuple):
        if type(result) is not tuple and type(result) not in known:
            raise TypeError(f"{type(result).__name__} is not one of the function's classes")
        return [type(result).__name__, [_described(part, known) for part in result]]
    raise TypeError(f"a {type(result).__name__} in the result of a function")


def _built(described: Any, leaves: Any, known: dict[str, type]) -> Any:
    """Rebuilds a result from its description."""
    if described is None:
        return None
    if described == 0:
        return next(leaves)
    if isinstance(described, dict):
        return {name: _built(part, leaves, known) for name, part in described.items()}
    name, parts = described
    values = [_built(part, leaves, known) for part in parts]
    return tuple(values) if name == "tuple" else known[name](*values)


@cache
def _source() -> str:
    """The hash of this package's source."""
    digest, root = hashlib.sha256(), Path(__file__).resolve().parents[1]
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
