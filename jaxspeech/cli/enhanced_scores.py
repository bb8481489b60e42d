"""Scores enhanced recordings against clean ones, and by how much they are better than the noisy ones."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

import jaxspeech
from jaxspeech.audio.read import count_channels, read
from jaxspeech.cli.enhanced_files import Compared, find_compared
from jaxspeech.cli.enhanced_words import WordScores, recognised
from jaxspeech.cli.recordings import counted, process, report
from jaxspeech.cli.table import aligned
from jaxspeech.errors import AudioError, ManifestError, as_speech_error
from jaxspeech.inference.inputs import Recording

# Enhanced, clean and noisy ones of the same rate and length; the last may be of one channel.
Signals = tuple[Float[np.ndarray, "M S"], Float[np.ndarray, "M S"], Float[np.ndarray, "_ S"] | None]
# Files may differ by so much in length without a note, in seconds.
SAME_LENGTH = 0.01


class FileScores(NamedTuple):
    """The scores of a recording; `scored` is None if there is an error. Times in seconds."""

    pair: Compared
    source: str
    duration: float = 0.0
    note: str | None = None
    error: str | None = None
    scored: Any = None
    delay: float = 0.0


def evaluate_enhanced(flags: argparse.Namespace) -> int:
    """Scores each recording, prints a table of the means, and writes --output, --scores and --report."""
    from jaxspeech.evaluation.enhancement import MEASURES, available, check_measures, summarize

    measures = check_measures(flags.measures) if flags.measures else available()
    if not flags.measures and (left := [name for name in MEASURES if name not in measures and name != "dnsmos"]):
        report(f'not installed: {", ".join(left)}; pip install "jaxspeech[enhance]"')
    pairs = find_compared(flags.found, flags.clean, flags.noisy, clean_field=flags.clean_field)
    if all(problem := [pair.enhanced.problem for pair in pairs]):
        raise ManifestError(problem[0])
    found: list[FileScores] = []
    inputs = [pair.enhanced for pair in pairs]
    totals = process(inputs, _scored(pairs, measures, flags), lambda _, x: found.append(x), done="scored")
    found = [x for x in found if x.error is None]
    if not found:
        raise ManifestError("no recording could be scored")
    words = recognised([x.pair for x in found], flags) if flags.recognizer else None
    scores = summarize(x.scored for x in found)
    print("\n".join(aligned(_table(found, words))))
    _report_delays(found)
    if words is not None:
        report(words.note)
    _write(flags, found, scores, words)
    report(f"{counted(len(found), 'recording')} scored, {totals.skipped} skipped")
    return totals.status(strict=flags.strict)


def _scored(pairs: Sequence[Compared], measures: Sequence[str], flags: argparse.Namespace) -> Iterator[FileScores]:
    for pair in pairs:
        try:
            yield scores_of(pair, *read_signals(pair, flags.channel), measures=measures, any_order=flags.any_order)
        except Exception as error:
            yield FileScores(pair, pair.enhanced.source, error=str(as_speech_error(error, pair.enhanced.source)))


def scores_of(
    pair: Compared, signals: Signals, rate: int, note: str | None, *, measures: Sequence[str], any_order: bool
) -> FileScores:
    """Scores the signals of a recording, see `read_signals`."""
    from jaxspeech.evaluation.delays import delay
    from jaxspeech.evaluation.enhancement import score_recording

    estimates, targets, noisy = signals
    scored = score_recording(estimates, targets, noisy, rate, measures=measures, any_order=any_order)
    late = 0.0 if any_order else delay(estimates[0], targets[0], rate) / rate
    return FileScores(pair, pair.enhanced.source, estimates.shape[1] / rate, note, None, scored, late)


def read_signals(pair: Compared, channel: Any = "mean") -> tuple[Signals, int, str | None]:
    """Reads the enhanced, the clean and the noisy signals at the rate of the enhanced ones, cut to the same length.

    Args:
      pair: what belongs together.
      channel: the number of the only channel to be read of files with several; otherwise all are.

    Returns:
      The signals, their rate in Hz, and what a user should know about them.

    Raises:
      SpeechError: one cannot be read, or they have different numbers of channels.
    """
    if pair.enhanced.problem:
        raise ManifestError(pair.enhanced.problem)
    estimates, rate = _channels(pair.enhanced, channel, None)
    return beside(pair, estimates, rate, channel)


def beside(
    pair: Compared, estimates: Float[np.ndarray, "M R"], rate: int, channel: Any
) -> tuple[Signals, int, str | None]:
    """Reads what belongs to enhanced signals, as `read_signals` does."""
    if pair.clean.problem:
        raise ManifestError(pair.clean.problem)
    targets, _ = _channels(pair.clean, channel, rate)
    noisy = None if pair.noisy is None else _channels(pair.noisy, channel, rate)[0]
    if len(estimates) != len(targets):
        have = f"{counted(len(estimates), 'channel')}, but {pair.clean.source} has {len(targets)}"
        if pair.enhanced is pair.noisy:
            raise AudioError(f"{pair.enhanced.source}: the model's output has {have}; the field may list several files")
        raise AudioError(f"{pair.enhanced.source}: has {have}; --channel=N compares one")
    if noisy is not None and len(noisy) != len(targets):
        # The first microphone is what an enhanced signal of several ones is compared with.
        noisy = noisy[:1]
    lengths = [x.shape[1] for x in (estimates, targets, noisy) if x is not None]
    size, note = min(lengths), None
    if max(lengths) - size > SAME_LENGTH * rate:
        shown = ", ".join(f"{length / rate:.2f}" for length in lengths)
        note = f"up to {size / rate:.2f} s, where the shortest ends (enhanced, clean, noisy: {shown} s)"
    return (estimates[:, :size], targets[:, :size], None if noisy is None else noisy[:, :size]), rate, note


def _channels(recording: Recording, channel: Any, rate: int | None) -> tuple[Float[np.ndarray, "C S"], int]:
    if isinstance(recording.audio, list):
        each = [_channels(recording._replace(source=str(x), audio=x), channel, rate) for x in recording.audio]
        size = min(samples.shape[1] for samples, _ in each)
        return np.concatenate([samples[:, :size] for samples, _ in each]), each[0][1]
    path: Any = recording.audio
    part: Any = {"name": recording.source, "sample_rate": rate, "offset": recording.offset}
    part["duration"] = recording.duration
    count = count_channels(path, name=recording.source)
    wanted = [min(channel, count - 1)] if isinstance(channel, int) else range(count)
    read_ones = [read(path, channel=number, **part) for number in wanted]
    return np.stack([samples for samples, _ in read_ones]), read_ones[0][1]


def _table(found: Sequence[FileScores], words: WordScores | None) -> list[list[str]]:
    from jaxspeech.report.enhanced import means

    rows = means([x.scored for x in found])
    return rows if words is None else [*rows, ["WER (%)", *words.cells()]]


def _report_delays(found: Sequence[FileScores]) -> None:
    late = [x for x in found if x.delay]
    if late:
        middle = 1000 * float(np.median([x.delay for x in late]))
        what = "later" if middle > 0 else "earlier"
        report(
            f"{counted(len(late), 'enhanced recording')} {abs(middle):.1f} ms {what} than the clean one, such as "
            f"{late[0].source}: SI-SDR counts that as distortion"
        )


def _write(
    flags: argparse.Namespace, found: Sequence[FileScores], scores: Mapping[str, float], words: WordScores | None
) -> None:
    from jaxspeech.inference.output import open_output
    from jaxspeech.runtime.unicode import to_json

    if flags.output:
        with open_output(flags.output) as put:
            for number, x in enumerate(found):
                texts = {} if words is None else words.fields(number)
                put(to_json({**line_of(x), **texts}) + "\n")
    if flags.scores:
        whole = {"jaxspeech": jaxspeech.__version__, "recordings": len(found), "scores": dict(scores)}
        whole |= {} if words is None else {"words": words.values()}
        with open_output(flags.scores) as put:
            put(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    if flags.report:
        _write_page(flags, found, words)


def line_of(x: FileScores) -> dict[str, Any]:
    """The fields of a recording in --output."""
    files = {"enhanced_filepath": x.pair.enhanced.source, "clean_filepath": x.pair.clean.source}
    files |= {} if x.pair.noisy is None else {"noisy_filepath": x.pair.noisy.source}
    line = {"name": x.pair.name, **files, "duration": round(x.duration, 4), "scores": dict(x.scored.after)}
    return line | ({"noisy_scores": dict(x.scored.before)} if x.scored.before else {})


def _write_page(flags: argparse.Namespace, found: Sequence[FileScores], words: WordScores | None) -> None:
    from jaxspeech.report.enhanced import SHOWN, chosen, enhanced_section, example
    from jaxspeech.report.page import EvaluatedSet, write_report

    examples = []
    for number in chosen([x.scored for x in found], SHOWN):
        signals, rate, _ = read_signals(found[number].pair, flags.channel)
        texts = {} if words is None else words.fields(number)
        examples.append(example(found[number].pair.name, found[number].scored, signals, rate, texts))
    table = _table(found, words)
    section = enhanced_section(table, [x.scored for x in found], examples)
    facts = {"recordings": str(len(found)), "audio": f"{sum(x.duration for x in found) / 60:.1f} minutes"}
    facts |= {} if words is None else {"recogniser": flags.recognizer}
    settings = {name: value for name, value in sorted(vars(flags).items()) if value not in (None, [], False)}
    sets = [EvaluatedSet(", ".join(flags.found), "", section)]
    write_report(flags.report, title="Enhancement", facts=facts, history=[], sets=sets, settings=settings)
