"""Writes the ids that a codec makes of recordings.

  jaxspeech codec encode --model=codec.nemo --output=codes a.wav folder
  jaxspeech codec encode --model=codec.jaxspeech --output=codes --manifest=in.jsonl

Each recording becomes a file of the same name in the folder --output, which ends in .npz and which `numpy.load` reads:
`ids` [C T], C codebooks for each of T frames, `num_samples`, at the model's rate, and `sample_rate`. With a manifest,
manifest.jsonl there has its lines with "codes_filepath" instead of "audio_filepath". Everything else goes to stderr:
one line for each recording that cannot be used (it is skipped), the number of files, and the bits per second.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, process, report
from jaxspeech.errors import ConfigError, OutputError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.codec import Encoded


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--output", required=True, metavar="FOLDER", help="for the files")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, encodes, writes the files and prints a summary."""
    from jaxspeech.inference.code_files import SUFFIX, write_codes
    from jaxspeech.inference.enhanced_files import Folder, place_recordings

    check_model(flags)
    if not flags.audio and not flags.manifest:
        question = "what is to be encoded? give AUDIO..., or --manifest=IN.jsonl"
        raise ConfigError(f"{question}; {flags.prog} --help lists the options")
    if Path(flags.output).exists() and not Path(flags.output).is_dir():
        raise OutputError(f"{flags.output}: is a file; the results need a folder")
    codec = jaxspeech.load(flags.model, jaxspeech.Codec, dtype=flags.dtype)
    placed = list(place_recordings([*flags.audio, *flags.manifest]))
    recordings, places = [one.recording for one in placed], iter([one.place for one in placed])
    folder, lines = Folder(flags.output), []

    def take(recording: "Recording", found: "Encoded") -> None:
        path = folder.path_of(next(places).with_suffix(SUFFIX))
        if found.error is None:
            write_codes(path, found, codec.sample_rate)
            fields = {name: value for name, value in recording.fields.items() if name != "audio_filepath"}
            lines.append(to_json({"codes_filepath": path.relative_to(flags.output).as_posix(), **fields}) + "\n")

    results = codec.encode_iter(recordings, batch_size=flags.batch_size, channel=flags.channel, on_error="skip")
    totals = process(recordings, results, take, done="encoded")
    if flags.manifest and lines:
        path = Path(flags.output) / "manifest.jsonl"
        try:
            with replace_atomically(path) as temporary:
                temporary.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    report(f"{totals}, {codec.bits_per_second / 1000:.2f} kbit/s")
    return totals.status(strict=flags.strict)
