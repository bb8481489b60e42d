"""Scores a model on manifests: transcripts with WER and CER, translations with BLEU, classes with accuracy, and so on.

Or scores who spoke when, and who said what, in files that any program has written.

  jaxspeech evaluate --model=model.jaxspeech --manifest=dev.jsonl,test.jsonl
  jaxspeech evaluate --model=model.nemo --manifest=test.jsonl --output=out.jsonl
  jaxspeech evaluate --model=titanet.nemo --manifest=test.jsonl --field=speaker
  jaxspeech evaluate --rttm=reference.rttm found.rttm --collar=0.25
  jaxspeech evaluate --rttm=reference_folder found_folder --uem=all.uem --output=scores.json
  jaxspeech evaluate --seglst=reference.json found.json

A manifest holds JSON lines with audio_filepath and the truth: "text" for a recogniser, which is a translation
where "source_lang" and "target_lang" differ; for other models the field that --field names, with the class (also its
macro F1), a label for each frame ("0 0 1 1"), or the speaker (equal error rate). Speakers need not be those of the
training: all pairs of a manifest's recordings are compared. The scores go to stdout, a line for each manifest; --output
receives all lines of the manifests with pred_text, pred_label, pred_top or pred_embedding. A recording that cannot be
read is skipped, with a line on stderr, and does not count.

Without a model, --rttm scores turns of speakers by md-eval's rules: a table with the diarization error rate, its parts,
the Jaccard error rate and the number of speakers of each recording and of all. --seglst scores words of speakers: cpWER
and tcpWER. The found turns or words are another file, or a folder of files.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
import contextlib
from typing import Any

from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_manifest, add_options, check_model, process, report
from jaxspeech.cli.transcribe import add_recognition
from jaxspeech.cli.turn_scores import add_turn_options, evaluate_turns, is_of_turns
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording, read_manifest


def options(parser: Parser) -> None:
    """Adds the options."""
    add_manifest(parser, help="JSON lines with audio_filepath and text; separate several manifests with commas")
    add_options(parser, needs_model=False)
    add_recognition(parser, long=("auto", "full", "local", "buffered", "segments"))
    parser.add_argument("--field", default="label", help="the manifests' field with the true class or the speaker")
    help = "the manifests' lines with what was found; --rttm, --seglst: the scores as JSON"
    parser.add_argument("--output", metavar="OUT", help=help)
    add_turn_options(parser)


def run(flags: argparse.Namespace) -> int:
    """Loads the model, runs it over the manifests, scores each of them and prints a summary."""
    from jaxspeech import loading
    from jaxspeech.cli.scoring import scoring_of

    if is_of_turns(flags):
        return evaluate_turns(flags)
    check_model(flags)
    if not flags.manifest:
        raise ConfigError("on what is the model to be evaluated? give --manifest=IN.jsonl")
    sets = {manifest: list(read_manifest(manifest)) for manifest in flags.manifest}
    for part in sets.values():
        if all(recording.problem for recording in part):
            raise ManifestError(part[0].problem)
    search = {"head": flags.head, "beam_size": flags.beam_size, "language": flags.language}
    scoring = scoring_of(loading.load_any(flags.model, dtype=flags.dtype, **search), flags)
    for manifest, part in sets.items():
        if missing := scoring.problem(part):
            problem = next((recording.problem for recording in part if recording.problem), "")
            raise ManifestError(problem or f"{manifest}: {missing}")
    recordings = [recording for part in sets.values() for recording in part]
    found: list[Any] = []
    opened = scoring.writer(flags.output, recordings) if flags.output else contextlib.nullcontext()
    with opened as write:

        def take(recording: Recording, result: Any) -> None:
            found.append(None)
            if write:
                write(recording, result)
            if result.error is None:
                found[-1] = scoring.keep(recording, result)

        totals = process(recordings, scoring.results(recordings), take, done=scoring.done)
    kept = iter(found)
    for manifest, part in sets.items():
        line = scoring.line([x for _ in part if (x := next(kept)) is not None])
        if line is not None:
            print(f"{manifest}: {line}")
    report(totals)
    return totals.status(strict=flags.strict)
