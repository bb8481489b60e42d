"""Notes on the manifests that are scored, and what is written about them: scores as JSON, and a page."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.recordings import counted
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import open_output
from jaxspeech.inference.questions import FIELD
from jaxspeech.text.canonical import is_blank

if TYPE_CHECKING:
    from jaxspeech.cli.scoring import Summary


def notes_on(manifest: str, part: Sequence[Recording]) -> Iterator[str]:
    """Yields lines about what a reader of the scores should know: references without words, repeated recordings."""
    usable = [recording for recording in part if not recording.problem]
    empty = sum(recording.text is not None and is_blank(recording.text) for recording in usable)
    if empty:
        yield f"{manifest}: {counted(empty, 'reference')} without words: what was recognised there counts as inserted"
    if (missing := sum(recording.text is None for recording in usable)) < len(usable) and missing:
        yield f"{manifest}: {counted(missing, 'line')} without a reference, not scored"
    # The same recording with other questions counts as several lines.
    heard = [x for x in usable if x.audio is not None]
    times = Counter((x.source, x.offset, x.duration, x.channel, str(x.fields.get(FIELD))) for x in heard)
    if repeated := [key for key, count in times.items() if count > 1]:
        more = sum(times[key] - 1 for key in repeated)
        yield f"{manifest}: {counted(more, 'line')} repeated, such as that of {repeated[0][0]}; each one counts"


def write_scores(
    flags: argparse.Namespace, summaries: "Mapping[str, Summary | None]", speed: Mapping[str, Any]
) -> None:
    """Writes --scores and --report."""
    if flags.scores:
        values = {manifest: None if x is None else dict(x.values) for manifest, x in summaries.items()}
        whole = {"jaxspeech": jaxspeech.__version__, "model": flags.model, "speed": dict(speed) or None}
        with open_output(flags.scores) as put:
            put(json.dumps({**whole, "manifests": values}, indent=1, ensure_ascii=False) + "\n")
    if flags.report:
        from jaxspeech.report.page import EvaluatedSet, write_report

        sets = [
            EvaluatedSet(manifest, "", summary.section())
            for manifest, summary in summaries.items()
            if summary is not None and summary.section is not None
        ]
        facts = {"model": flags.model or f'transcripts in "{flags.pred_field}"', "jaxspeech": jaxspeech.__version__}
        if speed:
            facts["RTFx"] = f"{speed['rtfx']:.1f} (batch size {speed['batch_size']}, {speed['device']})"
        settings = {name: value for name, value in sorted(vars(flags).items()) if value not in (None, [], False)}
        write_report(flags.report, title="Evaluation", facts=facts, history=[], sets=sets, settings=settings)
