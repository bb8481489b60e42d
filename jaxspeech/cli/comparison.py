"""Compares recognisers: transcripts that are in manifests, or engines that are run now."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jaxspeech
from jaxspeech.cli.compared_engines import costs_of, run_systems, write_transcripts
from jaxspeech.cli.compared_manifests import read_systems
from jaxspeech.cli.recordings import counted, on_one_line, report
from jaxspeech.cli.systems import Systems
from jaxspeech.cli.table import aligned
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.evaluation.bootstrap import LEVEL
from jaxspeech.evaluation.comparison import Comparison, Pair
from jaxspeech.evaluation.comparison import compare as compared
from jaxspeech.evaluation.transcripts import finite
from jaxspeech.inference.output import open_output
from jaxspeech.text.normalizers import Normalizer, find_normalizer


def compare(flags: argparse.Namespace) -> int:
    """Reads the manifests or runs the engines, prints the tables, and writes --output, --scores and --report."""
    normalizer = find_normalizer(flags.normalize)
    if flags.compare and flags.engine:
        raise ConfigError("give --compare, whose manifests hold transcripts, or --engine, not both")
    if flags.compare and flags.output:
        raise ConfigError(
            "--output is for --engine: a folder that gets a manifest for each; --scores and --report say more"
        )
    found = run_systems(flags) if flags.engine else read_systems(flags)
    references = [recording.text or "" for recording in found.recordings]
    comparison = compared(references, found.texts, normalizer)
    if not any(system.errors.length for system in comparison.systems.values()):
        raise ManifestError("there is no WER to compare: no reference has a word")
    costs = {name: costs_of(run, found.seconds) for name, run in found.runs.items()}
    _print(comparison, costs)
    if flags.output and flags.engine:
        write_transcripts(Path(flags.output), found)
    if flags.scores:
        with open_output(flags.scores) as put:
            put(json.dumps(_values(comparison, found, flags), indent=1, ensure_ascii=False) + "\n")
    if flags.report:
        _write_page(flags, comparison, found, costs, normalizer)
    by = f", normalised by {normalizer.name} {normalizer.package}".rstrip() if normalizer.name != "none" else ""
    report(f"{counted(len(references), 'recording')}, {len(found.texts)} systems{by}")
    return 0


def _print(comparison: Comparison, costs: Mapping[str, Mapping[str, str]]) -> None:
    from jaxspeech.report.comparison import p_value, rate_cells, verdict

    names = list(dict.fromkeys(name for known in costs.values() for name in known))
    rows = [["system", "WER", f"{LEVEL:.0%} interval", "CER", "sub", "del", "ins", *names]]
    for name, system in comparison.systems.items():
        rows.append([on_one_line(name), *rate_cells(system), *(costs.get(name, {}).get(cost, "–") for cost in names)])
    print("\n".join(aligned(rows)))
    for pair in comparison.pairs:
        sign = "p " if p_value(pair.test.p).startswith("<") else "p = "
        bounds = "" if pair.interval is None else f", {100 * pair.interval.low:+.2f} to {100 * pair.interval.high:+.2f}"
        print(
            f"{pair.other} less {pair.one}: {100 * pair.difference:+.2f} points{bounds} (paired bootstrap); matched "
            f"pairs {sign}{p_value(pair.test.p)}: {verdict(pair)}"
        )


def _values(comparison: Comparison, found: Systems, flags: argparse.Namespace) -> dict[str, Any]:
    systems = {}
    for name, system in comparison.systems.items():
        run = found.runs.get(name)
        measured = {} if run is None else {key: value for key, value in run._asdict().items() if key != "texts"}
        if run is not None:
            measured["rtfx"] = found.seconds / max(run.seconds, 1e-9)
        systems[name] = {
            "wer": finite(system.errors.rate),
            "words": system.errors._asdict(),
            "wer_interval": None if system.interval is None else system.interval._asdict(),
            "cer": finite(system.characters.rate),
            **measured,
        }
    normalizer = find_normalizer(flags.normalize)
    return {
        "jaxspeech": jaxspeech.__version__,
        "normalizer": {"name": normalizer.name, "package": normalizer.package or None},
        "recordings": len(found.recordings),
        "audio_seconds": found.seconds,
        "batch_size": flags.batch_size,
        "systems": systems,
        "pairs": [_pair(pair) for pair in comparison.pairs],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    bounds = None if pair.interval is None else pair.interval._asdict()
    test = {**pair.test._asdict(), "z": finite(pair.test.z)}
    return {"one": pair.one, "other": pair.other, "difference": pair.difference, "interval": bounds, **test}


def _write_page(
    flags: argparse.Namespace,
    comparison: Comparison,
    found: Systems,
    costs: Mapping[str, Mapping[str, str]],
    normalizer: Normalizer,
) -> None:
    from jaxspeech.cli.heard import read_audio
    from jaxspeech.report.comparison import SHOWN, comparison_section
    from jaxspeech.report.page import EvaluatedSet, write_report

    chosen = {str(index): (found.recordings[index], ()) for index in comparison.differing[:SHOWN]}
    audio = {int(index): sound for index, sound in read_audio(chosen).items()}
    section = comparison_section(comparison, costs, name_of=lambda index: found.recordings[index].source, audio=audio)
    words = next(iter(comparison.systems.values())).errors.length
    facts = {"recordings": str(len(found.recordings)), "words": str(words)}
    if found.seconds:
        facts["audio"] = f"{found.seconds / 60:.1f} minutes"
    if found.runs:
        facts["batch size"] = str(flags.batch_size)
        facts["speed"] = "after a warm-up" if flags.warm_up != 0 else "without a warm-up"
    facts["normalisation"] = f"{normalizer.name} {normalizer.package}".rstrip()
    settings = {name: value for name, value in sorted(vars(flags).items()) if value not in (None, [], False)}
    sets = [EvaluatedSet(", ".join(flags.manifest or flags.compare + flags.found), "", section)]
    write_report(flags.report, title="Comparison", facts=facts, history=[], sets=sets, settings=settings)
