"""The package itself: what importing it takes, what `load` refuses, and the errors that it raises."""

import operator
import subprocess
import sys

import pytest

import jaxspeech
from jaxspeech.errors import ArchiveError, AudioError, ConfigError, SpeechError


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSPEECH_CACHE", "off")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.jaxspeech", "no such file"),
        ("nvidia/parakeet", "not in the local cache"),
        ("some/other/parakeet", "a Hub name such as"),
        ("a.ckpt", ".jaxspeech or .nemo"),
    ],
)
def test_what_cannot_be_loaded(name: str, why: str) -> None:
    with pytest.raises(ArchiveError, match=why) as caught:
        jaxspeech.load(name)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="bfloat16"):
        jaxspeech.load(name, dtype="bfloat61")


def test_importing_takes_nothing() -> None:
    code = (
        "import sys, jaxspeech; early = set(sys.modules) & {'jax', 'flax', 'numpy', 'soundfile'}; jaxspeech.load; "
        "jaxspeech.losses.ctc_loss; late = set(sys.modules) & {'optax', 'grain', 'ml_collections', 'tensorboardX', "
        "'orbax', 'torch', 'tensorflow'}; print(early, late, sorted(set(jaxspeech.__all__) - set(dir(jaxspeech))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "set() set() []"
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        operator.attrgetter("lode")(jaxspeech)


def test_every_mistake_is_a_speech_error() -> None:
    assert issubclass(AudioError, SpeechError) and jaxspeech.SpeechError is SpeechError
