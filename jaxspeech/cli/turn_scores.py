"""Scores files of turns (RTTM), or of words with speakers (SegLST), against references: tables and JSON."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.cli.parser import Parser, names
from jaxspeech.cli.recordings import counted, report
from jaxspeech.cli.table import aligned
from jaxspeech.errors import ConfigError, ManifestError

# The options that these scores need or have, with the defaults of those that have one.
OF_RTTM: dict[str, Any] = {"uem": None, "collar": None, "skip_overlap": False}
OF_SEGLST: dict[str, Any] = {"time_collar": None}
# Those of a model, which is not used here.
OF_MODELS: dict[str, Any] = {"model": None, "manifest": []}
# A message lists no more names than this.
MOST_LISTED = 5


class Table(NamedTuple):
    """A row of cells for each recording, the last one for all, and the same values for JSON."""

    titles: Sequence[str]
    cells: Callable[[Any], Sequence[str]]
    values: Callable[[Any], Mapping[str, Any]]


def add_turn_options(parser: Parser) -> None:
    """Adds the options of these scores."""
    parser.add_argument(
        "found", nargs="*", metavar="FOUND", help="--rttm, --seglst, --clean: what is scored, files or folders"
    )
    for name, what in (("rttm", "turns of speakers"), ("seglst", "words of speakers")):
        help = f"the true {what}: files or a folder; separate several with commas"
        parser.add_argument(f"--{name}", type=names, action="extend", metavar="REFERENCE", help=help)
    parser.add_argument("--uem", metavar="UEM", help="--rttm: the stretches that are scored; all by default")
    help = "--rttm: seconds left out on both sides of each reference boundary; 0 by default, often 0.25"
    parser.add_argument("--collar", type=_seconds, help=help)
    parser.add_switch("skip_overlap", help="--rttm: leave out time in which several reference turns overlap")
    help = "--seglst: a word may be found this many seconds before or after its time; 5 by default"
    parser.add_argument("--time_collar", type=_seconds, help=help)


def is_of_turns(flags: argparse.Namespace) -> bool:
    """Whether the command line asks for scores of turns or words of speakers.

    Raises:
      ConfigError: options of several kinds are mixed.
    """
    if not flags.rttm and not flags.seglst:
        for name, default in (OF_RTTM | OF_SEGLST).items():
            if getattr(flags, name) != default:
                needed = "rttm" if name in OF_RTTM else "seglst"
                raise ConfigError(f"--{name} has no effect without --{needed}=REFERENCE")
        if flags.found:
            raise ConfigError(
                f"unexpected argument {flags.found[0]}: a model is scored on --manifest=IN.jsonl, turns with "
                f"--rttm=REFERENCE, words of speakers with --seglst=REFERENCE, enhanced recordings with --clean=CLEAN"
            )
        return False
    if flags.rttm and flags.seglst:
        raise ConfigError("give --rttm or --seglst, not both")
    kind = "rttm" if flags.rttm else "seglst"
    for name, default in (OF_MODELS | (OF_SEGLST if flags.rttm else OF_RTTM)).items():
        if getattr(flags, name) != default:
            raise ConfigError(f"--{name} has no effect with --{kind}, which scores files")
    if not flags.found:
        raise ConfigError(f"what is to be scored? jaxspeech evaluate --{kind}=REFERENCE FOUND")
    return True


def evaluate_turns(flags: argparse.Namespace) -> int:
    """Reads references and what was found, scores each recording, prints the table and writes JSON."""
    if flags.rttm:
        from jaxspeech.diarization.rttm import read_rttm as read
    else:
        from jaxspeech.diarization.seglst import read_seglst as read
    truth, found = _read(read, flags.rttm or flags.seglst), _read(read, flags.found)
    if truth and found and not set(truth) & set(found):
        raise ManifestError(
            f"no recording is in both: the reference has {_listed(truth)}, what was found has {_listed(found)}"
        )
    table, scores, sum_of, settings = (_rttm if flags.rttm else _seglst)(flags, truth, found)
    if not scores:
        raise ManifestError("there is no recording to score: the reference has no turns")
    for name in sorted(set(scores) - set(found)):
        report(f"{name}: nothing was found in it, so that all of it counts as missed")
    for name in sorted(set(found) - set(truth)):
        report(f"{name}: not scored, as the reference does not have it")
    together = sum_of(list(scores.values()))
    rows = [["recording", *table.titles]]
    rows += [[name, *table.cells(errors)] for name, errors in scores.items()]
    print("\n".join(aligned([*rows, ["all", *table.cells(together)]])))
    if flags.output:
        import json

        from jaxspeech.inference.output import open_output

        of_each = {name: dict(table.values(errors)) for name, errors in scores.items()}
        content = {**settings, "all": dict(table.values(together)), "recordings": of_each}
        with open_output(flags.output) as put:
            put(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    report(f"{counted(len(scores), 'recording')}, {', '.join(_shown(settings))}")
    return 0


def _rttm(flags: argparse.Namespace, truth: Any, found: Any) -> Any:
    from jaxspeech.diarization.uem import read_uem
    from jaxspeech.evaluation.diarization import DiarizationErrors, diarization_errors, total

    uem = None if flags.uem is None else read_uem(flags.uem)
    if uem is not None and not set(uem) & set(truth):
        raise ManifestError(f"{flags.uem}: has no recording of the reference, but {_listed(uem)}")
    chosen: Any = {"collar": flags.collar or 0.0, "skip_overlap": flags.skip_overlap}
    scores = {}
    for name, turns in sorted(truth.items()):
        if not turns:
            report(f"{name}: not scored, as nobody speaks in the reference")
        elif uem is not None and name not in uem:
            report(f"{name}: not scored, as it is not in {flags.uem}")
        else:
            scored = None if uem is None else uem[name]
            scores[name] = diarization_errors(turns, found.get(name, ()), scored=scored, **chosen)

    def cells(x: DiarizationErrors) -> list[str]:
        parts = [x.share(seconds) for seconds in (x.missed, x.false_alarm, x.confusion)]
        rates = [f"{100 * share:.2f}" for share in (x.der, *parts, x.jer)]
        return [*rates, f"{x.found}/{x.speakers}", f"{x.count_errors / x.recordings:.2f}", f"{x.scored:.2f}"]

    def values(x: DiarizationErrors) -> dict[str, Any]:
        parts = {name: x.share(getattr(x, name)) for name in ("missed", "false_alarm", "confusion")}
        times = {"scored_seconds": x.scored, "speakers": x.speakers, "found_speakers": x.found}
        counting = {"mean_count_error": x.count_errors / x.recordings}
        return {"der": _finite(x.der), **{k: _finite(v) for k, v in parts.items()}, "jer": x.jer, **times, **counting}

    titles = ["DER %", "missed", "false alarm", "confusion", "JER %", "speakers", "count error", "scored s"]
    return Table(titles, cells, values), scores, total, {**chosen, "uem": flags.uem}


def _seglst(flags: argparse.Namespace, truth: Any, found: Any) -> Any:
    from jaxspeech.evaluation.cpwer import DEFAULT_COLLAR, SpeakerErrors, speaker_word_errors, total

    collar = DEFAULT_COLLAR if flags.time_collar is None else flags.time_collar
    scores = {
        name: tuple(speaker_word_errors(said, found.get(name, ()), time_collar=limit) for limit in (None, collar))
        for name, said in sorted(truth.items())
    }

    def sum_of(pairs: Sequence[tuple[SpeakerErrors, SpeakerErrors]]) -> tuple[SpeakerErrors, ...]:
        return tuple(total(list(side)) for side in zip(*pairs, strict=True))

    def cells(pair: tuple[SpeakerErrors, SpeakerErrors]) -> list[str]:
        plain, timed = pair
        rates = [f"{100 * x.rate:.2f}" for x in pair]
        return [*rates, str(plain.errors), str(timed.errors), str(plain.length), f"{plain.missed}", f"{plain.extra}"]

    def values(pair: tuple[SpeakerErrors, SpeakerErrors]) -> dict[str, Any]:
        plain, timed = pair
        rates = {"cpwer": _finite(plain.rate), "tcpwer": _finite(timed.rate)}
        counts = {"errors": plain.errors, "timed_errors": timed.errors, "words": plain.length}
        return {**rates, **counts, "missed_speakers": plain.missed, "extra_speakers": plain.extra}

    titles = ["cpWER %", "tcpWER %", "errors", "timed errors", "words", "missed speakers", "extra speakers"]
    return Table(titles, cells, values), scores, sum_of, {"time_collar": collar}


def _read(read: Callable[[str], Mapping[str, Any]], paths: Sequence[str]) -> dict[str, Any]:
    """Reads files and folders; turns of one recording may be in several files, and equal ones count once."""
    found: dict[str, Any] = {}
    for path in paths:
        for name, turns in read(path).items():
            found.setdefault(name, []).extend(turns)
    return {name: list(dict.fromkeys(turns)) for name, turns in found.items()}


def _shown(settings: Mapping[str, Any]) -> list[str]:
    if "time_collar" in settings:
        return [f"words up to {settings['time_collar']:g} s off"]
    overlap = "without" if settings["skip_overlap"] else "with"
    return [f"collar {settings['collar']:g} s", f"{overlap} overlap"]


def _listed(names: Mapping[str, Any]) -> str:
    first = sorted(names)[:MOST_LISTED]
    return ", ".join(map(repr, first)) + (", ..." if len(names) > len(first) else "")


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if value < float("inf") else None


def _seconds(value: str) -> float:
    """The type of a collar."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds of 0 or more")
    return seconds
