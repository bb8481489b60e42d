"""Runs the engines of `evaluate --engine` on the recordings of manifests, and says what each of them costs."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxspeech.cli.engine_options import ENGINES
from jaxspeech.cli.recordings import report
from jaxspeech.cli.systems import Systems, distinct
from jaxspeech.engines.recordings import prepare, to_warm_up
from jaxspeech.engines.run import EngineRun, check_engine, run_engine
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean
from jaxspeech.inference.inputs import read_manifest
from jaxspeech.inference.output import write_file
from jaxspeech.runtime.unicode import to_json

# Batches that warm an engine up, as at the Open ASR Leaderboard.
WARM_UP_BATCHES = 4


def run_systems(flags: argparse.Namespace) -> Systems:
    """The transcripts of --engine for the recordings of --manifest."""
    engines = [_engine(given) for given in flags.engine]
    pythons = _pythons(flags.python)
    if not flags.manifest:
        raise ConfigError("on what are the engines to be run? give --manifest=IN.jsonl")
    if flags.found:
        raise ConfigError(f"unexpected argument {flags.found[0]}: engines are run on --manifest=IN.jsonl")
    recordings = [recording for manifest in flags.manifest for recording in read_manifest(manifest)]
    scored = [recording for recording in recordings if recording.text is not None or recording.problem]
    if not any(recording.text for recording in scored):
        problem = next((recording.problem for recording in recordings if recording.problem), "")
        raise ManifestError(problem or f'{flags.manifest[0]}: no line has a "text" to compare with')
    names = distinct([name for name, _ in engines], [f"{name} {Path(model).stem}" for name, model in engines])
    for name, model in engines:
        check_engine(name, python=_python_of(name, pythons))
        if model.endswith((".nemo", ".jaxspeech")) and not Path(model).exists():
            raise ConfigError(f"--engine={name}:{model}: no such file")
    with tempfile.TemporaryDirectory() as folder:
        prepared, problems = prepare(scored, Path(folder))
        for problem in problems:
            report(f"skipped: {problem}")
        if not prepared:
            raise ManifestError("no recording can be read")
        count = WARM_UP_BATCHES * flags.batch_size if flags.warm_up is None else flags.warm_up
        warm, seconds, runs = to_warm_up(prepared, count), sum(x.seconds for x in prepared), {}
        for label, (name, model) in zip(names, engines, strict=True):
            report(f"{label}: {model}")
            runs[label] = run_engine(
                name,
                model,
                [x.path for x in prepared],
                python=_python_of(name, pythons),
                warm_up=[] if name == "command" else warm,
                batch_size=flags.batch_size,
                language=flags.language or "",
            )
            report(f"{label}: {seconds:.1f} s of audio in {runs[label].seconds:.1f} s")
    return Systems(
        [x.recording._replace(duration=x.seconds) for x in prepared],
        {label: run.texts for label, run in runs.items()},
        runs,
        seconds,
    )


def _engine(given: str) -> tuple[str, str]:
    """Reads NAME:MODEL."""
    name, sign, model = given.partition(":")
    if name not in ENGINES:
        raise ConfigError(f"--engine={given}: there is no engine {name!r}{did_you_mean(name, ENGINES)}")
    if not sign or not model:
        raise ConfigError(f"--engine={given}: which model? {name}:MODEL")
    return name, model


def _pythons(given: Sequence[str]) -> dict[str, str]:
    """Reads [NAME:]PYTHON of each --python; "" is for all engines without one of their own."""
    found = {}
    for value in given:
        name, sign, python = value.partition(":")
        known = sign and name in ENGINES
        found[name if known else ""] = python if known else value
    return found


def _python_of(name: str, pythons: Mapping[str, str]) -> str:
    other = "" if name in ("jaxspeech", "command") else pythons.get("", "")
    return pythons.get(name) or other or sys.executable


def costs_of(run: EngineRun, seconds: float) -> dict[str, str]:
    """What an engine costs, as texts; "–" is not known."""
    packages = "–" if run.packages is None else f"{run.packages} ({_size(run.package_bytes)})"
    return {
        "RTFx": f"{seconds / max(run.seconds, 1e-9):.1f}",
        "load": f"{run.load_seconds:.1f} s",
        "memory": _size(run.memory),
        "model": _size(run.model_bytes),
        "packages": packages,
        "device": run.device or "–",
        "version": run.version or "–",
    }


def write_transcripts(folder: Path, found: Systems) -> None:
    """Writes a manifest for each engine, for --compare, with the mean time of a recording as at the leaderboard."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; with --engine, --output is a folder, which gets a manifest for each")
    for name, texts in found.texts.items():
        time = found.runs[name].seconds / len(texts)
        lines = []
        for recording, text in zip(found.recordings, texts, strict=True):
            audio = {
                "audio_filepath": str(Path(recording.source).resolve()),
                "duration": round(recording.duration or 0.0, 3),
            }
            lines.append(to_json({**recording.fields, **audio, "pred_text": text, "time": round(time, 6)}) + "\n")
        write_file(folder / f"{name.replace('/', '-')}.jsonl", "".join(lines))


def _size(number: int | None) -> str:
    """A number of bytes as a text."""
    if number is None:
        return "–"
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= size:
            return f"{number / size:.3g} {unit}" if number < 1000 * size else f"{number / size:.0f} {unit}"
    return f"{number} B"
