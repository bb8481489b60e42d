"""Programs on disk: found again only for the same key, never from a damaged or foreign file, and without a trace."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from jaxspeech.inference.batching import Shape
from jaxspeech.inference.programs import Programs
from jaxspeech.nn.dropout import Dropout
from jaxspeech.runtime import compilation_cache, executables
from jaxspeech.tasks.kinds import Classification
from jaxspeech.tasks.task import Task
from jaxspeech.types import Phase

SHAPE = Shape((0, 1), 2, 8)
AUDIO = {0: np.arange(8, dtype=np.float32), 1: np.arange(5, dtype=np.float32)}
VARIABLES = {"params": {"unused": np.ones(3, np.float32), "weight": np.float32(3) * np.ones(8, np.float32)}}
MODEL = Dropout(0.0)  # any module of the package


class Sums(NamedTuple):
    """What the function below returns."""

    sums: Any
    none: None
    lengths: tuple[Any, ...]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(executables, "own_folder", lambda: tmp_path)
    return tmp_path / "programs"


def start(
    traced: list[int], *, width: int = 1, variables: Any = VARIABLES, model: nn.Module = MODEL, **options: Any
) -> Sums:
    """Runs a new process's programs; `traced` gets an entry for each trace."""

    def predict(variables: Any, samples: Any, num_samples: Any, *, plus: int = 0) -> Sums:
        traced.append(width)
        sums = jnp.sin(samples * variables["params"]["weight"]).sum(1) + plus
        return Sums(sums, None, (num_samples, {"b": num_samples, "a": samples}))

    def nothing(*_: Any) -> Any:
        return None

    kind = Classification(sample_rate=8, frame_seconds=None, probs=predict)
    task = Task(model, Sums, nothing, (Phase(nothing),), nothing, nothing, kind)
    programs = Programs(task, predict, name="sums", config={"width": width}, outputs=(Sums,))
    return jax.device_get(programs.start(variables, SHAPE, AUDIO, **options)[0])


def same(a: Sums, b: Sums) -> bool:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    return all(x.tobytes() == y.tobytes() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_a_second_process_traces_nothing_and_gets_the_same_bits(folder: Path) -> None:
    traced: list[int] = []
    first = start(traced)
    second = start(traced)
    assert len(traced) == 1 and isinstance(second, Sums) and same(first, second)
    assert len(list(folder.iterdir())) == 1 and folder.stat().st_mode & 0o777 == 0o700


SOLVE = """
import jax.numpy as jnp
import numpy as np
from jaxspeech.runtime.compilation_cache import enable_compilation_cache
from jaxspeech.runtime.kept_function import compile_kept

def solve(matrix, x):
    return (jnp.linalg.solve(matrix, x),)

enable_compilation_cache()
arrays = np.array([[2, 1], [1, 3]], np.float32), np.array([[3], [5]], np.float32)
program = compile_kept(solve, arrays, name="solve", config={"a": 1}, options={}, what="a test")
print(type(program).__name__, *np.ravel(program(*arrays)[0]).round(4))
"""


def test_a_second_process_finds_the_functions_of_linear_algebra(tmp_path: Path) -> None:
    """JAX looks for those of LAPACK when it lowers one, which the second process does not do."""
    environment = os.environ | {"JAXSPEECH_CACHE": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": ""}
    shown = []
    for _ in range(2):
        command = [sys.executable, "-c", SOLVE]
        shown.append(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert shown == ["Compiled 0.8 1.4\n", "KeptProgram 0.8 1.4\n"]


def test_another_key_is_another_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[int] = []
    start(traced)
    assert (start(traced, plus=1).sums == start([]).sums + 1).all()  # an option
    start(traced, width=2)  # a configuration
    start(traced, variables=jax.tree.map(lambda x: x.astype(np.int32), VARIABLES))
    with jax.default_matmul_precision("highest"):
        start(traced)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") + " ")
    start(traced)
    monkeypatch.setattr(executables, "_source", lambda: "edited")
    start(traced)
    monkeypatch.setattr(executables, "processor_facts", lambda: "a different one")
    start(traced)
    assert len(traced) == 8 == len(list(folder.iterdir()))
    start(traced)
    assert len(traced) == 8


@pytest.mark.parametrize("fault", ["cut", "flipped", "empty", "not JSON", "of a different key", "of others to write"])
def test_a_damaged_or_foreign_file_is_replaced(folder: Path, fault: str) -> None:
    traced: list[int] = []
    right = start(traced)
    [file] = folder.iterdir()
    whole = file.read_bytes()
    if fault == "of a different key":
        line, rest = whole.split(b"\n", 1)
        header = json.loads(line)
        header["key"]["config"] = {"width": 7}
        line = json.dumps(header).encode() + b"\n"
        file.write_bytes(line + executables.hashlib.sha256(line + rest[32:]).digest() + rest[32:])
    elif fault == "of others to write":
        file.chmod(0o622)
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        file.write_bytes({"cut": whole[:-9], "flipped": flipped, "empty": b"", "not JSON": b"\0\n" + whole}[fault])
    assert same(start(traced), right) and len(traced) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert same(start(traced), right) and len(traced) == 2


def test_several_writers_leave_one_whole_file(folder: Path) -> None:
    results: list[Sums] = []
    threads = [threading.Thread(target=lambda: results.append(start([]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and len(list(folder.iterdir())) == 1
    traced: list[int] = []
    assert same(start(traced), results[0]) and not traced


def test_a_folder_of_others_is_not_used(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    traced: list[int] = []
    assert same(start(traced), start(traced)) and len(traced) == 2 and not list(folder.iterdir())


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "programs").write_text("not a folder")  # so that it cannot be made; root may write anywhere
    monkeypatch.setattr(executables, "own_folder", lambda: tmp_path)
    traced: list[int] = []
    start(traced)
    monkeypatch.setattr(executables, "own_folder", lambda: None)
    start(traced)
    assert len(traced) == 2


def test_off_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compilation_cache.VARIABLE, "off")
    compilation_cache.enable_compilation_cache()
    assert compilation_cache.own_folder() is None


def test_the_oldest_are_deleted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start([])
    [old] = folder.iterdir()
    os.utime(old, (1, 1))
    monkeypatch.setattr(executables, "MOST_BYTES", old.stat().st_size * 3 // 2)
    start([], width=2)
    assert old not in list(folder.iterdir()) and len(list(folder.iterdir())) == 1


def test_programs_of_other_packages_code_are_not_kept(folder: Path) -> None:
    """The key of a program does not have their source."""

    class Ours(Dropout):
        pass

    for model in (nn.Dense(1), Ours(0.0)):
        start([], model=model)
    assert not folder.exists()


def test_what_comes_from_jaxs_own_cache_is_not_written_again(folder: Path, tmp_path: Path) -> None:
    """XLA's executable would lack functions: NOT_FOUND when it runs."""
    settings = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        for name, value in zip(settings, (str(tmp_path / "xla"), 0.0), strict=True):
            jax.config.update(name, value)
        reset_cache()
        start([])
        [file] = folder.iterdir()
        file.unlink()
        jax.clear_caches()
        start([])
        assert not list(folder.iterdir())
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        reset_cache()
