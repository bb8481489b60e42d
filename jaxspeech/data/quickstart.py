"""The quickstart corpus: everyday sentences spoken by eSpeak NG, made on the spot in well under a minute.

    python -m jaxspeech.data.quickstart --output=data/quickstart

writes 16 kHz FLAC files and the manifests `train.jsonl` and `dev.jsonl`: about 5.5 hours of training speech and nine
minutes for evaluation. A voice is an accent and a variant of the speaker. The evaluation part is spoken by variants
that training never hears, one accent of it is unheard too, and so is each of its sentences. Most of the training part
is spoken by invented variants. The same versions of eSpeak NG, NumPy, soxr and libsndfile write the same bytes every
time.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Int16
from tqdm import tqdm

from jaxspeech.command import run
from jaxspeech.data.espeak import MISSING, Espeak
from jaxspeech.data.sentences import sentence
from jaxspeech.data.voices import invent_voice
from jaxspeech.errors import SpeechError

SAMPLE_RATE = 16000
NUM_TRAIN, NUM_DEV = 8000, 200

ACCENTS = ("en", "en-us", "en-us-nyc", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
UNHEARD_ACCENT = "en-gb-x-rp"

# What makes a variant a stage effect rather than a person: Klatt's buzz, a whisper, a trembling or
# croaking voice, a strong echo, a roar. Such variants are trained on but never evaluated on: people do not always
# understand them either.
_EFFECT = re.compile(
    r"^\s*(klatt|breath\s+[1-9]\d|flutter\s+[2-9]\d|echo\s+\d+\s+[1-9]\d\d|roughness\s+([5-9]|\d\d))",
    re.MULTILINE,
)

# Utterances that one process speaks, one after the other: part of what decides the samples.
_CHUNK = 400

# Share of the training utterances that invented speakers say, and how many of those each process has. (eSpeak's list
# of voices ends at 350, of which 243 are its own.)
INVENTED_SHARE = 0.6
_INVENTED_PER_CHUNK = 50
_INVENTED = "invented"  # what their names start with

# Written last, so its presence means that the folder is complete; the version changes with what is said or how.
_MARKER = "complete.json"
_VERSION = 3


class Utterance(NamedTuple):
    """Everything that decides the samples of one file."""

    name: str
    text: str
    voice: str
    rate: int  # words per minute
    pitch: int
    pitch_range: int
    silence: tuple[float, float]  # seconds before and after
    level_db: float  # the loudest sample, relative to full scale
    snr_db: float  # speech to white noise
    seed: int  # of the noise


def make_corpus(folder: str | os.PathLike, *, train: int = NUM_TRAIN, dev: int = NUM_DEV) -> dict[str, Path]:
    """Makes the corpus in `folder`, unless it is there already.

    The work is done in processes of its own, since eSpeak's samples depend on what a process has spoken before.

    Args:
      folder: where the manifests and `audio/` go.
      train: number of training utterances.
      dev: number of evaluation utterances.

    Returns:
      The manifests, {"train": path, "dev": path}.

    Raises:
      SpeechError: where eSpeak NG is not installed, or the folder cannot be written.
    """
    folder = Path(folder)
    if not _is_complete(folder, {"train": train, "dev": dev}):
        if importlib.util.find_spec("espeakng_loader") is None:
            raise SpeechError(MISSING)
        command = [sys.executable, "-m", __spec__.name, f"--output={folder}", f"--train={train}", f"--dev={dev}"]
        path = os.pathsep.join(filter(None, sys.path))  # this package's, wherever it was found
        if subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode:
            raise SpeechError(f"the quickstart corpus in {folder} is not complete: the reason stands above")
    return {part: folder / f"{part}.jsonl" for part in ("train", "dev")}


def plan(variants: dict[str, str], *, train: int, dev: int) -> dict[str, list[Utterance]]:
    """Decides every utterance of both parts: what is said, by whom and how.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances.
      dev: number of evaluation utterances.
    """
    heard, unheard = split_variants(variants)
    taken: set[str] = set()
    evaluation = list(_utterances("dev", dev, unheard, (*ACCENTS, UNHEARD_ACCENT), taken))
    taken = {utterance.text for utterance in evaluation}
    training = _utterances("train", train, heard, ACCENTS, taken, invented=INVENTED_SHARE)
    return {"train": list(training), "dev": evaluation}


def split_variants(variants: dict[str, str]) -> tuple[list[str], list[str]]:
    """Variants for training, and those kept for evaluation: every fourth family of natural voices.

    "iven", "iven2" and "iven3" are one family, since they differ little; "m1" and "m2" are two people.
    """
    natural = {_family(name) for name, definition in variants.items() if not _EFFECT.search(definition)}
    kept = set(sorted(natural)[1::4])
    unheard = [
        name for name, definition in variants.items() if _family(name) in kept and not _EFFECT.search(definition)
    ]
    return [name for name in variants if _family(name) not in kept], unheard


def _family(variant: str) -> str:
    return re.sub(r"(?<=\w\w)\d+$", "", variant).lower()


def _utterances(
    part: str, count: int, variants: list[str], accents: tuple[str, ...], taken: set[str], *, invented: float = 0.0
) -> Iterator[Utterance]:
    for i in range(count):
        rng = random.Random(f"{part} {i}")  # of its own, so that a larger corpus starts like a smaller one
        text = sentence(rng)
        while text in taken:
            text = sentence(rng)
        accent, variant = rng.choice(accents), rng.choice(variants)
        if invented and rng.random() < invented:
            variant = f"{_INVENTED}{i // _CHUNK * _INVENTED_PER_CHUNK + rng.randrange(_INVENTED_PER_CHUNK)}"
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=text,
            voice=f"{accent}+{variant}",
            rate=rng.randint(130, 190),
            pitch=rng.randint(30, 70),
            pitch_range=rng.randint(30, 70),
            silence=(rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.1)),
            level_db=rng.uniform(-20.0, -1.0),
            snr_db=rng.uniform(15.0, 45.0),
            seed=rng.getrandbits(32),
        )


def render(espeak: Espeak, utterance: Utterance) -> Int16[np.ndarray, " S"]:
    """Speaks an utterance at 16 kHz, with silence around it and white noise over all of it."""
    u = utterance
    spoken = espeak.speak(u.text, voice=u.voice, rate=u.rate, pitch=u.pitch, pitch_range=u.pitch_range)
    speech = soxr.resample(spoken.astype(np.float32), espeak.sample_rate, SAMPLE_RATE)
    before, after = (round(seconds * SAMPLE_RATE) for seconds in u.silence)
    speech = np.pad(speech / np.abs(speech).max(), (before, after))
    power = np.mean(np.square(speech))
    noise = np.random.default_rng(u.seed).standard_normal(len(speech), np.float32)
    noisy = speech + noise * np.sqrt(power * 10 ** (-u.snr_db / 10))
    return _to_int16(noisy * 10 ** (u.level_db / 20))


def _to_int16(samples: Float[np.ndarray, " S"]) -> Int16[np.ndarray, " S"]:
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)


def write_corpus(folder: Path, *, train: int, dev: int) -> None:
    """Writes the whole corpus with all of the machine's cores. See `make_corpus`."""
    parts = plan(Espeak().variants, train=train, dev=dev)
    (folder / _MARKER).unlink(missing_ok=True)
    for part in parts:
        (folder / "audio" / part).mkdir(parents=True, exist_ok=True)
    chunks = [part[i : i + _CHUNK] for part in parts.values() for i in range(0, len(part), _CHUNK)]
    bar = tqdm(total=train + dev, desc="making the quickstart corpus", unit=" utterances")
    # A fresh process for every chunk: samples depend on nothing but the plan.
    with bar, multiprocessing.get_context("spawn").Pool(maxtasksperchild=1) as pool:
        for count in pool.imap_unordered(partial(_write_chunk, folder), chunks, chunksize=1):
            bar.update(count)
    for part, utterances in parts.items():
        lines = (json.dumps(_manifest_entry(folder, utterance)) for utterance in utterances)
        _write_text(folder / f"{part}.jsonl", "\n".join(lines) + "\n")
    _write_text(folder / _MARKER, json.dumps({"version": _VERSION, "train": train, "dev": dev}) + "\n")


def _write_chunk(folder: Path, utterances: list[Utterance]) -> int:
    variants = {utterance.voice.partition("+")[2] for utterance in utterances}
    espeak = Espeak({name: invent_voice(random.Random(name)) for name in variants if name.startswith(_INVENTED)})
    for utterance in utterances:
        path = _audio_path(folder, utterance)
        # Level 0 has integer predictors only, so the bytes do not depend on the processor.
        soundfile.write(path, render(espeak, utterance), SAMPLE_RATE, subtype="PCM_16", compression_level=0.0)
    return len(utterances)


def _manifest_entry(folder: Path, utterance: Utterance) -> dict[str, Any]:
    path = _audio_path(folder, utterance)
    return {
        "audio_filepath": path.relative_to(folder).as_posix(),
        "duration": round(soundfile.info(path).duration, 4),
        "text": utterance.text,
        "speaker": utterance.voice,
    }


def _audio_path(folder: Path, utterance: Utterance) -> Path:
    return folder / "audio" / f"{utterance.name}.flac"


def _is_complete(folder: Path, sizes: dict[str, int]) -> bool:
    try:
        return json.loads((folder / _MARKER).read_text()) == {"version": _VERSION, **sizes}
    except (OSError, json.JSONDecodeError):
        return False


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the quickstart corpus with eSpeak NG.")
    parser.add_argument("--output", type=Path, default=Path("data/quickstart"), help="folder to make it in")
    parser.add_argument("--train", type=int, default=NUM_TRAIN, help="number of training utterances")
    parser.add_argument("--dev", type=int, default=NUM_DEV, help="number of evaluation utterances")
    arguments = parser.parse_args()

    def make() -> None:
        try:
            write_corpus(arguments.output, train=arguments.train, dev=arguments.dev)
        except soundfile.SoundFileError as error:
            raise SpeechError(f"{arguments.output}: {error}") from error

    return run(make, interrupted="interrupted: the corpus is not complete; the next call makes it anew")


if __name__ == "__main__":
    sys.exit(main())
