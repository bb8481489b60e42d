"""Where the tests find shared references and speech, and what they skip without them."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.quick_compile import QUICK_COMPILE
from tests.tones import make_tones

# XLA_FLAGS="" compiles as outside of tests.
os.environ.setdefault("XLA_FLAGS", QUICK_COMPILE)
# No test reads or fills the user's cache of compiled programs.
os.environ.setdefault("JAXSPEECH_CACHE", "off")

MOST_KILOBYTES = 3 << 20
SHARED = Path(os.environ.get("JAXSPEECH_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory() -> Iterator[None]:
    """Compiled programs are forgotten once they take gigabytes, as those of all the files together do."""
    yield
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_KILOBYTES:
        jax.clear_caches()


@pytest.fixture(scope="session")
def refs() -> Path:
    """Folder of the peer's reference files; skips where it is missing."""
    folder = SHARED / "peer" / "refs"
    if not folder.is_dir():
        pytest.skip(f"the peer's reference files are not at {folder} (set JAXSPEECH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def speech() -> Path:
    """Folder of real speech; skips where it is missing."""
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
