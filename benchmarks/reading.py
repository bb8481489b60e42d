"""Measures the rate of batches from audio files, tars and ArrayRecord files."""

import io
import itertools
import json
import tarfile
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.models import SAMPLE_RATE
from benchmarks.timing import peak_memory
from jaxspeech.data.augment import AugmentConfig, parse_augment
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.loader import TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.records import write_records
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.char import CharTokenizer

UTTERANCES, TARS = 400, 4
AUGMENT = {
    "speed": [0.9, 1.0, 1.1],
    "gain_db": [-6, 6],
    "equalize": {"gain_db": 6},
    "white_noise": {"level_db": [-60, -40]},
}


def read_input(repeat: int, *, kind: str, augment: AugmentConfig | None = None, num_threads: int = 2) -> dict[str, Any]:
    """Read `repeat` epochs of FLAC recordings of 5 to 15 s, decoded again each time, in batches of about 80 s."""
    with tempfile.TemporaryDirectory() as folder:
        source = _write(Path(folder), kind)
        manifest = Manifest(source, problems=Problems(report=lambda line: None))
        columns = {
            "samples": audio(manifest, sample_rate=SAMPLE_RATE, augment=augment, cache_bytes=0),
            "labels": transcripts(manifest, CharTokenizer("ab ")),
        }
        data = TrainingData(
            manifest,
            columns,
            Utterances,
            buckets=4,
            batch_seconds=80,
            batch_size=16,
            augment=augment,
            num_threads=num_threads,
        )
        batches: Any = data.batches()
        next(batches)
        started, cpu = time.perf_counter(), time.process_time()
        utterances, seconds = 0, 0.0
        for batch in itertools.islice(batches, (repeat or 3) * data.steps_per_epoch):
            utterances += int((batch.index >= 0).sum())
            seconds += float(batch.num_samples.sum()) / SAMPLE_RATE
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
        batches.close()
        assert not len(data.problems)
    return {
        "threads": num_threads,
        "utterances_per_s": utterances / elapsed,
        "audio_s_per_s": seconds / elapsed,
        "audio_s_per_cpu_s": seconds / cpu,
        **peak_memory(),
    }


def _write(folder: Path, kind: str) -> Any:
    """Write coloured noise, which FLAC compresses about as well as speech; return the source for a config."""
    rng, lines = np.random.default_rng(0), []
    names = [folder / f"audio_{i}.tar" for i in range(TARS)]
    tars = [tarfile.open(name, "w") for name in names]  # noqa: SIM115  closed below
    for i in range(UTTERANCES):
        noise = np.cumsum(rng.standard_normal(int(rng.uniform(5, 15) * SAMPLE_RATE)))
        samples = (3000 * np.tanh(noise / 100)).astype(np.int16)
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="FLAC")
        name, shard = f"{i}.flac", i * TARS // UTTERANCES
        lines.append({"audio_filepath": name, "duration": len(samples) / SAMPLE_RATE, "text": "a b", "shard_id": shard})
        if kind == "tars":
            member = tarfile.TarInfo(name)
            member.size = len(file.getvalue())
            file.seek(0)
            tars[shard].addfile(member, file)
        else:
            (folder / name).write_bytes(file.getvalue())
    for tar in tars:
        tar.close()
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if kind == "tars":
        return {"path": path, "tars": f"{folder}/audio_{{0..{TARS - 1}}}.tar"}
    return write_records(Manifest(path), folder / "records", name="train")[0] if kind == "records" else path


CASES = {
    "input_files": partial(read_input, kind="files"),
    "input_files_augmented": partial(read_input, kind="files", augment=parse_augment(AUGMENT)),
    "input_tars": partial(read_input, kind="tars"),
    "input_records": partial(read_input, kind="records"),
}
