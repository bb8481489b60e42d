"""Removes noise from recordings, separates talkers, combines microphones: whatever the model was trained for.

  jaxspeech enhance --model=clean.jaxspeech --output=clean noisy
  jaxspeech enhance --model=clean.jaxspeech --output=clean.flac --attenuation_limit_db=20 noisy.flac
  jaxspeech enhance --model=clean.jaxspeech --output=clean --report=page.html noisy
  arecord -f S16_LE -r 16000 -t raw | jaxspeech enhance --model=live.jaxspeech --realtime - | aplay -f S16_LE -r 16000

Results are files of the same format, rate, length and channels under the same names in the folder --output; with a
manifest also a manifest of them, manifest.jsonl. Everything else goes to stderr: one line for each recording that
cannot be enhanced (it is skipped), and the number of files.

With --realtime, recordings go through the model step by step, as they arrive: - is standard input, as WAV or as 16-bit
samples without a header, and the result goes to stdout in the same form, or to the file --output.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recordings import add_manifest, add_model, check_model, process, report
from jaxspeech.errors import ConfigError
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.enhancer import Enhanced


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="recordings, and folders of recordings")
    add_manifest(parser, help="JSON lines with an audio_filepath each; separate several manifests with commas")
    add_model(parser)
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="maximum number of windows in a batch")
    parser.add_argument(
        "--channel", type=_channel, help="only this channel, from 0, or the mean of all; by default each is enhanced"
    )
    parser.add_switch(
        "beamform", help="combine the microphones of a recording into one channel, with a model of one channel"
    )
    parser.add_argument("--output", help="a folder for the results; for one recording, or --realtime, also a file")
    parser.add_argument(
        "--attenuation_limit_db", type=float, help="lower noise by no more than this; there is no limit if not given"
    )
    parser.add_argument(
        "--mix", type=float, default=1.0, help="share of the enhanced sound, from 0 to 1; the rest is the recording"
    )
    parser.add_argument("--chunk_seconds", type=float, help="longer recordings are processed in windows; 10 by default")
    parser.add_argument("--overlap_seconds", type=float, help="of two windows; 2 by default")
    parser.add_argument(
        "--report", metavar="PAGE.html", help="a page with the spectrograms before and after, and players"
    )
    parser.add_argument(
        "--report_files", type=at_least(1), default=10, help="--report: the most recordings on the page"
    )
    parser.add_switch(
        "realtime", help="enhance step by step, with a model that can run live; - is standard input, and stdout gets it"
    )
    parser.add_argument(
        "--sample_rate",
        type=at_least(1),
        help="--realtime: of standard input without a header, in Hz; the model's by default",
    )
    parser.add_argument(
        "--step", type=at_least(1), help="--realtime: hops of the model in a step, 1 by default; more cost less"
    )
    parser.add_switch("strict", help="exit with status 1 if a recording was skipped")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, enhances, writes the files and prints a summary."""
    from jaxspeech.cli.live_enhancing import enhance_live
    from jaxspeech.inference.enhanced_files import place_recordings

    check_model(flags)
    if not flags.audio and not flags.manifest:
        question = "what is to be enhanced? give AUDIO..., or --manifest=IN.jsonl"
        raise ConfigError(f"{question}; {flags.prog} --help lists the options")
    for name in ("sample_rate", "step"):
        if getattr(flags, name) is not None and not flags.realtime:
            raise ConfigError(f"--{name} is for live audio: add --realtime")
    if flags.realtime:
        for name in ("report", "chunk_seconds", "overlap_seconds", "channel", "beamform", "manifest"):
            given = getattr(flags, name)
            if given not in (None, []) and given is not False:  # channel 0 equals False
                raise ConfigError(f"--{name} is for whole recordings: leave out --realtime")
    elif not flags.output:
        raise ConfigError("where do the results go? --output=FOLDER names a folder")
    if flags.beamform and flags.channel is not None:
        raise ConfigError("--channel takes one channel, and --beamform all of them")
    enhancer = jaxspeech.load(flags.model, jaxspeech.Enhancer, dtype=flags.dtype, beamform=flags.beamform)
    mixed: Any = {"attenuation_limit_db": flags.attenuation_limit_db, "mix": flags.mix}
    if flags.realtime:
        return enhance_live(enhancer, flags, **mixed)
    placed = list(place_recordings([*flags.audio, *flags.manifest]))
    given = {"chunk_seconds": flags.chunk_seconds, "overlap_seconds": flags.overlap_seconds}
    chosen: Any = mixed | {name: value for name, value in given.items() if value is not None}
    results = enhancer.enhance_iter(
        placed,
        output=flags.output,
        batch_size=flags.batch_size,
        channel=flags.channel,
        on_error="skip",
        **chosen,
    )
    lines: list[str] = []
    shown: list[tuple[Recording, Path]] = []

    def take(recording: "Recording", found: "Enhanced") -> None:
        if found.error is not None or found.path is None:
            return
        lines.append(_line(recording, found, Path(flags.output)))
        if len(shown) < flags.report_files and isinstance(recording.audio, Path):
            shown.append((recording, found.path))

    totals = process([recording for recording, _ in placed], results, take, done="enhanced")
    if flags.manifest and lines:
        from jaxspeech.inference.output import write_file

        write_file(Path(flags.output) / "manifest.jsonl", "".join(lines))
    if flags.report:
        _write_page(flags.report, shown, model=Path(flags.model).name)
    report(totals)
    return totals.status(strict=flags.strict)


def _write_page(page: str, shown: "list[tuple[Recording, Path]]", *, model: str) -> None:
    """Writes the report of these recordings and the files of their results."""
    from jaxspeech.audio.read import read
    from jaxspeech.report.before_after import Heard, write_page
    from jaxspeech.report.enhanced import MOST_SECONDS

    recordings = []
    for recording, path in shown:
        before, rate = read(recording.audio, offset=recording.offset, duration=MOST_SECONDS)
        after, _ = read(path, duration=MOST_SECONDS, sample_rate=rate)
        recordings.append(Heard(recording.audio.name, {"before": before, "after": after}, rate))
    write_page(page, recordings, model=model)


def _line(recording: "Recording", found: "Enhanced", folder: Path) -> str:
    """The line of the manifest of results."""
    assert found.path is not None
    fields = {name: value for name, value in recording.fields.items() if name not in ("offset", "duration")}
    path = found.path.relative_to(folder).as_posix()
    return to_json(fields | {"audio_filepath": path, "duration": round(found.duration, 3)}) + "\n"


def _channel(value: str) -> Any:
    """The type of --channel."""
    if value != "mean" and not value.isdecimal():
        raise argparse.ArgumentTypeError(f"{value!r} is neither mean nor the number of a channel, from 0")
    return value if value == "mean" else int(value)
