"""Writes the speaker embeddings of recordings.

  jaxspeech embed --model=titanet.nemo --output=embeddings.npz a.wav folder
  jaxspeech embed --model=model.jaxspeech --output=embeddings.npz --manifest=in.jsonl

The file holds arrays, which `numpy.load` reads: `embeddings` [N E] (float32, not normalised) and `sources` [N], the
paths; if all lines of the manifests have a "speaker", also `speakers` [N]. `jaxspeech transcribe --enrolled` takes such
a file; without `speakers` a recording is named after its speaker, as in ann.wav. A recording that cannot be read is
left out, with a line on stderr.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, find_inputs, process, report
from jaxspeech.errors import OutputError
from jaxspeech.files import replace_atomically
from jaxspeech.inference.inputs import Recording

if TYPE_CHECKING:
    from jaxspeech.pipelines.embedder import Embedded


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--output", required=True, metavar="OUT.npz", help="the file to write")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, embeds, writes the file and prints a summary."""
    import numpy as np

    check_model(flags)
    recordings, _ = find_inputs(flags, question="what is to be embedded?")
    embedder = jaxspeech.load(flags.model, jaxspeech.Embedder, dtype=flags.dtype)
    results = embedder.embed_iter(recordings, batch_size=flags.batch_size, channel=flags.channel, on_error="skip")
    sources: list[str] = []
    vectors: list[np.ndarray] = []
    speakers: list[str | None] = []

    def take(recording: Recording, found: "Embedded") -> None:
        if found.error is None:
            sources.append(found.source)
            vectors.append(found.vector)
            speaker = recording.fields.get("speaker")
            speakers.append(None if speaker is None else str(speaker))

    totals = process(recordings, results, take, done="embedded")
    if vectors:
        named: Any = {} if None in speakers else {"speakers": np.array(speakers)}
        try:
            with replace_atomically(flags.output) as temporary, open(temporary, "wb") as stream:
                np.savez(stream, embeddings=np.stack(vectors), sources=np.array(sources), **named)
        except OSError as error:
            raise OutputError(f"{flags.output}: cannot be written ({error.strerror or error})") from error
    report(totals)
    return totals.status(strict=flags.strict)
