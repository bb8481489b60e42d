"""Fixtures: shared references and speech (tests are skipped without them), a corpus of tones, bounded memory."""

import atexit
import contextlib
import ctypes
import gc
import os
import resource
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# A process of tests for each core: more threads of BLAS would wait for each other ten times as long as they compute.
# BLAS reads this when it is first imported; pytest-xdist's processes inherit it.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")

import jax
import pytest

from tests.quick_compile import QUICK_COMPILE
from tests.tones import make_tones

# XLA_FLAGS="" compiles as it does outside of tests.
os.environ.setdefault("XLA_FLAGS", QUICK_COMPILE)
# JAX makes many objects and few cycles of them: looking for these seldom saves a minute of the whole suite.
gc.set_threshold(50_000, 20, 50)
# No test reads or fills the user's cache of compiled programs.
os.environ.setdefault("JAXSPEECH_CACHE", "off")

# What one test compiles another need not: programs are kept while the tests run, for all their processes.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")  # to write a small one takes as long
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update(
    "jax_persistent_cache_min_compile_time_secs", float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"])
)

# Tests send themselves signals that a process in the background (`nohup pytest &`, some CI systems) ignores.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def fifth_of_memory() -> int:
    """A fifth of the machine's memory; of one that does not say, 3 GiB."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 5
    except (AttributeError, ValueError, OSError):
        return 3 << 30


FEW_TESTS = 12
# Of each of the processes that run tests. To compile again what was dropped takes time.
MOST_BYTES = _allowed = fifth_of_memory()
SHARED = Path(os.environ.get("JAXSPEECH_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs files of few tests first, which take the longest for their number: train a model, start processes.

    Whole files go to the processes that run tests, and where such a file came last, one of these would wait for it.
    Alone, pytest-xdist would begin with the files of most tests.
    """
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (counts[item.path] > FEW_TESTS, -counts[item.path]))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names a case of bytes by its argument: bytes can differ from process to process (gzip writes the time)."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory() -> Iterator[None]:
    """Drops compiled programs when the process takes gigabytes, which those of all test files together would.

    What a test file leaves behind, much of it in JAX's caches, is not searched for garbage again and again.
    """
    global _allowed
    yield
    if used_bytes() > _allowed:
        gc.unfreeze()
        jax.clear_caches()
        gc.collect()
        give_back()
        # What stays all the same is not a reason to compile everything again after each file.
        _allowed = max(MOST_BYTES, used_bytes() + MOST_BYTES // 4)
    gc.freeze()


def give_back() -> None:
    """Returns free memory to the system, which keeps it for the process otherwise; only glibc can."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def used_bytes() -> int:
    """Memory of this process; where Linux' report is missing, the most that it ever took."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture(scope="session")
def refs() -> Path:
    """Folder of NeMo's reference files; skips the test if it is missing."""
    folder = SHARED / "peer" / "refs"
    if not folder.is_dir():
        pytest.skip(f"NeMo's reference files are not at {folder} (set JAXSPEECH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def speech() -> Path:
    """Folder of real speech; skips the test if it is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the speech corpora are not at {folder} (set JAXSPEECH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a corpus of tones, for runs of train.py."""
    folder = tmp_path_factory.mktemp("tones")
    make_tones(folder)
    return folder
