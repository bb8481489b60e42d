"""Synthesizes speech with eSpeak NG, a small formant synthesizer that `pip install espeakng-loader` installs.

A voice is an accent ("en-us") and a speaker variant ("f3"), written "en-us+f3". eSpeak keeps state from one utterance
to the next, so the result of `speak` depends on everything that this process has spoken before, and on nothing else.
"""

import ctypes
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from jaxspeech.errors import SpeechError

MISSING = 'the recipe needs speech by eSpeak NG, which is not installed: python -m pip install "jaxspeech[quickstart]"'

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_UTF8 = 1
_OK = 0

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The synthesizer, loaded into this process.

    Args:
      invented: definitions of additional variants, by name.

    Attributes:
      sample_rate: the rate of the samples that `speak` returns, in Hz.
      variants: definition of every speaker variant, by name.
    """

    def __init__(self, invented: Mapping[str, str] | None = None):
        try:
            import espeakng_loader
        except ImportError:
            raise SpeechError(MISSING) from None
        folder = Path(espeakng_loader.get_data_path())
        if invented:
            self._folder = tempfile.TemporaryDirectory()
            folder = _with_variants(folder, Path(self._folder.name), invented)
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, str(folder).encode(), 0)
        if self.sample_rate <= 0:
            raise SpeechError(f"eSpeak NG cannot read its data in {folder}: reinstall espeakng-loader")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # by default the clock
        self.variants = {
            path.name: path.read_text(encoding="utf-8", errors="replace")
            for path in sorted((folder / "voices" / "!v").iterdir())
        }

    def speak(self, text: str, *, voice: str, rate: int, pitch: int, pitch_range: int) -> Int16[np.ndarray, " S"]:
        """Speaks `text`.

        Args:
          text: what to say.
          voice: accent and variant, "en-us+f3".
          rate: words per minute, 80 to 450; eSpeak's own default is 175.
          pitch: 0 to 99; 50 is the voice's default.
          pitch_range: liveliness, 0 (monotone) to 99; 50 is the voice's default.

        Raises:
          SpeechError: this eSpeak does not have the voice.
        """
        chunks: list[np.ndarray] = []

        def collect(samples, count, _events):
            if count > 0:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0  # continue

        callback = _Callback(collect)  # this reference keeps it alive while C calls it
        library, data = self._library, text.encode()
        library.espeak_SetSynthCallback(callback)
        known = voice.partition("+")[2] in {"", *self.variants}  # eSpeak silently ignores an unknown variant
        if not known or library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise SpeechError(
                f"eSpeak NG has no voice {voice!r}: install the espeakng-loader that pyproject.toml names"
            )
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        return np.concatenate(chunks) if chunks else np.zeros(0, np.int16)


def _with_variants(source: Path, folder: Path, invented: Mapping[str, str]) -> Path:
    """Copy eSpeak's data (as symbolic links) and add variants, as eSpeak reads all of them from one folder."""
    for path in source.iterdir():
        if path.is_dir():  # eSpeak does not follow links to folders
            shutil.copytree(path, folder / path.name)
        else:
            (folder / path.name).symlink_to(path)
    for name, definition in invented.items():
        (folder / "voices" / "!v" / name).write_text(definition, encoding="utf-8")
    return folder
