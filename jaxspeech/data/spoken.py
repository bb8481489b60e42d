"""Makes corpora spoken by eSpeak NG; their utterances are planned in quickstart.py and spoken_digits.py.

A voice is an accent and a speaker variant, one of eSpeak's or an invented one. All cores together write FLAC files and
a manifest for each part. The same versions of eSpeak NG, NumPy, soxr and libsndfile write the same bytes every time.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Int16
from tqdm import tqdm

from jaxspeech.data.espeak import MISSING, Espeak
from jaxspeech.data.voices import invent_voice
from jaxspeech.errors import SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.command import run
from jaxspeech.runtime.unicode import to_json

ACCENTS = ("en", "en-us", "en-us-nyc", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")

# Number of utterances that one process speaks, one after the other; the samples depend on it.
CHUNK = 400

# Share of the training utterances that invented speakers say, and the number of invented speakers per process. (eSpeak
# has room for 350 voices, of which 243 are its own.)
INVENTED_SHARE = 0.6
_INVENTED_PER_CHUNK = 50
_INVENTED = "invented"  # prefix of their names

# Written last, so that its presence means that the folder is complete.
_MARKER = "complete.json"


class Utterance(NamedTuple):
    """Everything that determines the samples of one file.

    Attributes:
      then: what is said after the text, each with its voice, which may be of another language.
      fields: further fields of its line in the manifest. Not an empty mapping proxy: workers get utterances by pickle.
    """

    name: str
    text: str
    voice: str
    rate: int  # words per minute
    pitch: int
    pitch_range: int
    silence: tuple[float, float]  # seconds before and after
    level_db: float  # the loudest sample, relative to full scale
    snr_db: float  # ratio of speech to white noise
    seed: int  # seed of the noise
    then: tuple[tuple[str, str], ...] = ()
    fields: Mapping[str, Any] | None = None


class SpokenCorpus(NamedTuple):
    """A corpus to be spoken.

    Attributes:
      name: name of the corpus.
      module: module that runs `SpokenCorpus.main` when started as a command.
      version: to be increased when the utterances or their samples change.
      sample_rate: in Hz.
      sizes: number of utterances of each part, by its name.
      plan: eSpeak's variants (definition by name) and sizes -> the utterances of each part.
      lines: the line of a recording -> the lines that the manifest has about it.
    """

    name: str
    module: str
    version: int
    sample_rate: int
    sizes: Mapping[str, int]
    plan: Callable[..., dict[str, list[Utterance]]]
    lines: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]] = lambda line: [line]

    def make(self, folder: str | os.PathLike, **sizes: int) -> dict[str, Path]:
        """Make the corpus in `folder`, unless it already exists.

        The work is done in new processes, as eSpeak's samples depend on what a process has spoken before.

        Args:
          folder: where the manifests and `audio/` go.
          sizes: number of utterances of each part that differs from the default.

        Returns:
          The manifest of each part, by its name.

        Raises:
          SpeechError: eSpeak NG is not installed, or the folder cannot be written.
        """
        folder, sizes = Path(folder), {**self.sizes, **sizes}
        if not self._is_complete(folder, sizes):
            if importlib.util.find_spec("espeakng_loader") is None:
                raise SpeechError(MISSING)
            numbers = [f"--{part}={count}" for part, count in sizes.items()]
            command = [sys.executable, "-m", self.module, f"--output={folder}", *numbers]
            path = os.pathsep.join(filter(None, sys.path))  # so that the process finds this package
            if subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode:
                raise SpeechError(f"the {self.name} corpus in {folder} is not complete: see the error above")
        return {part: folder / f"{part}.jsonl" for part in sizes}

    def write(self, folder: Path, sizes: Mapping[str, int]) -> None:
        """Write the whole corpus with all of the machine's cores. See `make`."""
        parts = self.plan(Espeak().variants, **sizes)
        (folder / _MARKER).unlink(missing_ok=True)
        for part in parts:
            (folder / "audio" / part).mkdir(parents=True, exist_ok=True)
        chunks = [part[i : i + CHUNK] for part in parts.values() for i in range(0, len(part), CHUNK)]
        bar = tqdm(total=sum(sizes.values()), desc=f"making the {self.name} corpus", unit=" utterances")
        # A new process for every chunk, so that the samples depend on the plan alone.
        with bar, multiprocessing.get_context("spawn").Pool(maxtasksperchild=1) as pool:
            write_chunk = partial(_write_chunk, folder, self.sample_rate)
            for count in pool.imap_unordered(write_chunk, chunks, chunksize=1):
                bar.update(count)
        for part, utterances in parts.items():
            lines = (line for utterance in utterances for line in self.lines(_manifest_entry(folder, utterance)))
            _write_text(folder / f"{part}.jsonl", "".join(f"{to_json(line)}\n" for line in lines))
        _write_text(folder / _MARKER, json.dumps({"version": self.version, **sizes}) + "\n")

    def _is_complete(self, folder: Path, sizes: Mapping[str, int]) -> bool:
        try:
            return json.loads((folder / _MARKER).read_bytes()) == {"version": self.version, **sizes}
        except (OSError, ValueError):
            return False

    def main(self) -> int:
        """Run the command that makes the corpus; return its exit code."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.module}", description=f"Make the {self.name} corpus with eSpeak NG."
        )
        default = Path("data", self.module.rpartition(".")[2])
        parser.add_argument("--output", type=Path, default=default, help="folder to make it in")
        for part, count in self.sizes.items():
            parser.add_argument(f"--{part}", type=int, default=count, help=f"number of {part} utterances")
        arguments = vars(parser.parse_args())
        folder = arguments.pop("output")

        def make() -> None:
            try:
                self.write(folder, arguments)
            except soundfile.SoundFileError as error:
                raise SpeechError(f"{folder}: {error}") from error
            except KeyboardInterrupt:
                raise KeyboardInterrupt("interrupted: the corpus is incomplete; the next run makes it again") from None

        return run(make)


def draw_manner(rng: random.Random, *, most_rate: int = 190) -> dict[str, Any]:
    """Draw how a sentence of the quickstart is said and recorded: fields of `Utterance`.

    Args:
      most_rate: of the words per minute.
    """
    return {
        "rate": rng.randint(130, most_rate),
        "pitch": rng.randint(30, 70),
        "pitch_range": rng.randint(30, 70),
        "silence": (rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.1)),
        "level_db": rng.uniform(-20.0, -1.0),
        "snr_db": rng.uniform(15.0, 45.0),
        "seed": rng.getrandbits(32),
    }


def draw_voice(
    rng: random.Random, i: int, *, accents: tuple[str, ...], variants: list[str], invented: float = 0.0
) -> str:
    """Draw a voice for utterance `i` of its part; with probability `invented` it is an invented speaker's."""
    accent, variant = rng.choice(accents), rng.choice(variants)
    if invented and rng.random() < invented:
        variant = f"{_INVENTED}{i // CHUNK * _INVENTED_PER_CHUNK + rng.randrange(_INVENTED_PER_CHUNK)}"
    return f"{accent}+{variant}"


def render(espeak: Espeak, utterance: Utterance, sample_rate: int) -> Int16[np.ndarray, " S"]:
    """Synthesize an utterance, with silence around it and white noise over all of it."""
    u = utterance
    said = ((u.text, u.voice), *u.then)
    manner = {"rate": u.rate, "pitch": u.pitch, "pitch_range": u.pitch_range}
    spoken = np.concatenate([espeak.speak(text, voice=voice, **manner) for text, voice in said])
    speech = soxr.resample(spoken.astype(np.float32), espeak.sample_rate, sample_rate)
    before, after = (round(seconds * sample_rate) for seconds in u.silence)
    speech = np.pad(speech / np.abs(speech).max(), (before, after))
    power = np.mean(np.square(speech))
    noise = np.random.default_rng(u.seed).standard_normal(len(speech), np.float32)
    noisy = speech + noise * np.sqrt(power * 10 ** (-u.snr_db / 10))
    return _to_int16(noisy * 10 ** (u.level_db / 20))


def _to_int16(samples: Float[np.ndarray, " S"]) -> Int16[np.ndarray, " S"]:
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)


def _write_chunk(folder: Path, sample_rate: int, utterances: list[Utterance]) -> int:
    variants = {utterance.voice.partition("+")[2] for utterance in utterances}  # also of what is said after it
    espeak = Espeak({name: invent_voice(random.Random(name)) for name in variants if name.startswith(_INVENTED)})
    for utterance in utterances:
        path, samples = _audio_path(folder, utterance), render(espeak, utterance, sample_rate)
        # Level 0 uses integer predictors only, so that the bytes do not depend on the processor.
        soundfile.write(path, samples, sample_rate, subtype="PCM_16", compression_level=0.0)
    return len(utterances)


def _manifest_entry(folder: Path, utterance: Utterance) -> dict[str, Any]:
    path = _audio_path(folder, utterance)
    return {
        "audio_filepath": path.relative_to(folder).as_posix(),
        "duration": round(soundfile.info(path).duration, 4),
        "text": " ".join([utterance.text, *(text for text, _ in utterance.then)]),
        "speaker": utterance.voice,
        **(utterance.fields or {}),
    }


def _audio_path(folder: Path, utterance: Utterance) -> Path:
    return folder / "audio" / f"{utterance.name}.flac"


def _write_text(path: Path, text: str) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
