"""Measures the preparation of a run: from a manifest of millions of lines to the plan of the first batch."""

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import peak_memory
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.loader import TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.train import train_tokenizer

BLOCK = 100_000
WORDS = """\
the of and to in a is that for it was on with he as at by be this had not are but from or have an they which
one you were all her she there would their we
him been has when who will no more if out so said what up its about into
than them can only other time new some could these two may first then do any like my now over such our man me even most
made after also did many before must through years much where your way well should because each just those people"""


def plan_lines(repeat: int, *, lines: int) -> dict[str, Any]:
    """Scan the lines, count the tokens of every transcript, and plan the first epoch; reports peak memory per line."""
    del repeat
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        texts = _write(path, lines)
        megabytes = path.stat().st_size / 1e6
        tokenizer = train_tokenizer(texts[:10_000], type="bpe", vocab_size=256)
        del texts
        before = peak_memory()["peak_rss_mib"]
        started, cpu = time.perf_counter(), time.process_time()
        manifest = Manifest(path, need=("text",))
        scanned = time.perf_counter()
        columns = {"samples": audio(manifest, sample_rate=16000), "labels": transcripts(manifest, tokenizer)}
        data = TrainingData(manifest, columns, Utterances, buckets=8, batch_seconds=320, batch_size=64, seed=0)
        counted = time.perf_counter()
        data._epochs[0]  # plans only: the audio files do not exist
        planned, cpu = time.perf_counter(), time.process_time() - cpu
    peak = peak_memory()["peak_rss_mib"]
    return {
        "lines": lines,
        "manifest_mb": megabytes,
        "scan_s": scanned - started,
        "tokens_and_buckets_s": counted - scanned,
        "plan_s": planned - counted,
        "total_s": planned - started,
        "cpu_s": cpu,
        "steps_per_epoch": data.steps_per_epoch,
        "peak_rss_mib": peak,
        "bytes_a_line": (peak - before) * 2**20 / lines,
    }


def _write(path: Path, lines: int) -> list[str]:
    """Write a made-up manifest, whose lines repeat after BLOCK lines; return the texts of one block."""
    rng = np.random.default_rng(0)
    durations = rng.gamma(4, 2, BLOCK).clip(0.5, 20).round(3).tolist()
    texts = [" ".join(rng.choice(WORDS.split(), max(1, int(2.5 * seconds)))) for seconds in durations]
    entries = [
        {"audio_filepath": f"audio/{i:08d}.flac", "duration": seconds, "text": text, "speaker": f"s{i % 5000}"}
        for i, (seconds, text) in enumerate(zip(durations, texts, strict=True))
    ]
    block = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    with path.open("wb") as file:
        for _ in range(lines // BLOCK):
            file.write(block)
    return texts


CASES = {f"plan_{millions}m": partial(plan_lines, lines=millions * 1_000_000) for millions in (1, 4, 16)}
