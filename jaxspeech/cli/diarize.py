"""Finds who spoke when in recordings: turns of speakers, by clustering the embeddings of a speaker model.

  jaxspeech diarize --model=titanet.nemo meeting.wav
  jaxspeech diarize --model=titanet.nemo --vad=vad.nemo --rttm=out.rttm meeting.wav
  jaxspeech diarize --model=titanet.nemo --vad=vad.nemo --num_speakers=3 --rttm=out.rttm folder

Turns go to stdout, a line each with start, end and speaker, after the path unless only one audio file is given; or to
--rttm, in NIST's format. Everything else goes to stderr: one line for each recording that cannot be used (it is
skipped), and the number of files. Without --vad, whatever is louder than the noise around it is speech.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, counted, find_inputs, process, report

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.clustering_diarizer import Diarized


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--vad", help="a model that finds speech, a .jaxspeech or .nemo file or a name on the Hub")
    parser.add_argument("--num_speakers", type=at_least(1), help="if it is known")
    parser.add_argument("--min_speakers", type=at_least(1), help="if the number is not known; 1 by default")
    parser.add_argument("--max_speakers", type=at_least(1), help="if the number is not known; 8 by default")
    parser.add_argument("--rttm", metavar="OUT.rttm", help="a file in RTTM instead of lines on stdout")


def run(flags: argparse.Namespace) -> int:
    """Loads the models, finds the turns, writes them and prints a summary."""
    from jaxspeech.diarization.rttm import as_rttm
    from jaxspeech.diarization.turns import Turn, speakers_of
    from jaxspeech.inference.output import open_output

    check_model(flags)
    recordings, named = find_inputs(flags, question="whose turns are to be found?")
    embedder = jaxspeech.load(flags.model, jaxspeech.Embedder, dtype=flags.dtype)
    detector: Any = [jaxspeech.load(flags.vad, jaxspeech.Classifier, dtype=flags.dtype)] if flags.vad else []
    diarizer = jaxspeech.ClusteringDiarizer(embedder, *detector)
    results = diarizer.diarize_iter(
        recordings,
        num_speakers=flags.num_speakers,
        min_speakers=flags.min_speakers,
        max_speakers=flags.max_speakers,
        batch_size=flags.batch_size,
        channel=flags.channel,
        on_error="skip",
    )
    turns = speakers = 0
    with open_output(flags.rttm) as put:

        def take(recording: "Recording", found: "Diarized") -> None:
            nonlocal turns, speakers
            if found.error is not None:
                return
            first = recording.offset if flags.rttm else 0.0  # as for `detect`, times of a file count from its start
            shifted = [Turn(first + start, first + end, speaker) for start, end, speaker in found.turns]
            turns, speakers = turns + len(shifted), speakers + len(speakers_of(shifted))
            path = f"{found.source}\t" if named else ""
            lines = "".join(f"{path}{start:.3f}\t{end:.3f}\t{speaker}\n" for start, end, speaker in shifted)
            put(as_rttm(Path(found.source).stem or "recording", shifted) if flags.rttm else lines)

        totals = process(recordings, results, take, done="diarized", bar=flags.rttm is not None)
    report(f"{totals}; {counted(turns, 'turn')} of {counted(speakers, 'speaker')}")
    return totals.status(strict=flags.strict)
