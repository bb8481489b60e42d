"""How a model that enhances is scored on manifests whose lines have the noisy and the clean recording."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxspeech.cli.enhanced_files import Compared, clean_of
from jaxspeech.cli.enhanced_scores import FileScores, Signals, beside, line_of, scores_of
from jaxspeech.cli.recordings import counted
from jaxspeech.cli.scoring import Scoring, Summary, Write
from jaxspeech.cli.table import aligned
from jaxspeech.evaluation.enhancement import available, check_measures, summarize
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import open_output
from jaxspeech.pipelines.enhancer import Enhancer
from jaxspeech.runtime.unicode import to_json


def of_enhancer(model: Enhancer, flags: argparse.Namespace) -> Scoring:
    """The way to score it.

    Raises:
      ConfigError: a score is not known or not installed.
    """
    measures = check_measures(flags.measures) if flags.measures else available()
    channel, field = flags.channel if isinstance(flags.channel, int) else None, flags.clean_field
    options: Any = {"batch_size": flags.batch_size, "channel": channel}

    def compared(recording: Recording, found: Any) -> tuple[Compared, tuple[Signals, int, str | None]]:
        pair = Compared(recording.source, recording, clean_of(recording, field), recording)
        return pair, beside(pair, np.atleast_2d(found.samples), found.sample_rate, flags.channel)

    # The line of --output is written before the scores are kept.
    last: list[tuple[Recording, FileScores]] = []

    def keep(recording: Recording, found: Any) -> FileScores:
        if not last or last[0][0] is not recording:
            pair, signals = compared(recording, found)
            scored = scores_of(pair, *signals, measures=measures, any_order=flags.any_order)
            last[:] = [(recording, scored)]
        return last[0][1]

    def problem(part: Sequence[Recording]) -> str:
        if any(not clean_of(recording, field).problem for recording in part if not recording.problem):
            return ""
        return f'no line has a clean recording in "{field}"; --clean_field=NAME names another field'

    def section(found: Sequence[FileScores]) -> str:
        from jaxspeech.report.enhanced import SHOWN, chosen, enhanced_section, example, means

        scored = [x.scored for x in found]
        shown = [found[number] for number in chosen(scored, SHOWN)]
        again = model.enhance_iter([x.pair.enhanced for x in shown], on_error="skip", **options)
        examples = []
        for x, result in zip(shown, again, strict=True):
            if result.error is None:
                signals, rate, _ = compared(x.pair.enhanced, result)[1]
                examples.append(example(x.pair.name, x.scored, signals, rate))
        return enhanced_section(means(scored), scored, examples)

    def summarize_all(found: Sequence[FileScores]) -> Summary | None:
        from jaxspeech.report.enhanced import means

        if not found:
            return None
        scored = [x.scored for x in found]
        text = "\n  ".join([counted(len(found), "recording"), *aligned(means(scored))])
        return Summary(text, {**summarize(scored), "recordings": len(found)}, lambda: section(found))

    @contextlib.contextmanager
    def writer(path: str, recordings: Sequence[Recording]) -> Iterator[Write]:
        with open_output(path) as put:

            def write(recording: Recording, found: Any) -> None:
                if found.error is None:
                    put(to_json({**recording.fields, **line_of(keep(recording, found))}) + "\n")

            yield write

    return Scoring(
        lambda recordings: model.enhance_iter(recordings, on_error="skip", **options),
        problem,
        keep,
        summarize_all,
        writer,
        "enhanced",
    )
