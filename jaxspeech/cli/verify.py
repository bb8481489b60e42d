"""Decides whether recordings are of the same speaker.

  jaxspeech verify --model=titanet.nemo a.wav b.wav
  jaxspeech verify --model=model.jaxspeech --trials=trials.txt

For two recordings it prints the cosine of their embeddings and "same" or "different". A line of a trials list is
"1 a.wav b.wav" or "0 a.wav b.wav", where 1 is the same speaker; paths are relative to the list's folder, and one with
spaces is written with tabs between the three parts. It prints the equal error rate, minDCF and the threshold of equal
errors; --output receives a line "score a b" for each trial, and --report a page with the curve of both error rates.

Exit status: 0; 2 for an error.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_options, check_model, report
from jaxspeech.errors import ConfigError, ManifestError, OutputError
from jaxspeech.files import replace_atomically


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="two recordings")
    add_options(parser)
    parser.add_argument("--trials", help="a list of trials to score instead")
    parser.add_argument("--threshold", type=float, help="the lowest cosine of the same speaker; the model's by default")
    parser.add_argument("--output", metavar="SCORES.txt", help="--trials: the score of each trial")
    parser.add_argument("--report", metavar="OUT.html", help="--trials: a page with the DET curve")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, compares, and prints the result."""
    check_model(flags)
    if bool(flags.trials) == bool(flags.audio):
        raise ConfigError(f"give two recordings, or --trials=LIST; {flags.prog} --help lists the options")
    if not flags.trials and len(flags.audio) != 2:
        raise ConfigError(f"two recordings are compared, not {len(flags.audio)}; for more, give --trials=LIST")
    unused = ("threshold",) if flags.trials else ("output", "report")
    for name in unused:
        if getattr(flags, name) is not None:
            raise ConfigError(f"--{name} has no effect {'with' if flags.trials else 'without'} --trials")
    trials = read_trials(Path(flags.trials)) if flags.trials else []
    embedder = jaxspeech.load(flags.model, jaxspeech.Embedder, dtype=flags.dtype)
    if not trials:
        found = embedder.verify(*flags.audio, threshold=flags.threshold, channel=flags.channel)
        print(f"{found.score:.4f} {'same' if found.same else 'different'} (threshold {found.threshold:.4f})")
        return 0
    import numpy as np

    from jaxspeech.evaluation.verification import equal_errors, error_rates, min_dcf
    from jaxspeech.inference.voices import unit
    from jaxspeech.report.det import det_curve
    from jaxspeech.report.page import EvaluatedSet, write_report

    paths = list(dict.fromkeys(path for _, *pair in trials for path in pair))
    results = embedder.embed_iter(paths, batch_size=flags.batch_size, channel=flags.channel)
    vectors = unit(np.stack([result.vector for result in results]))
    place = {path: i for i, path in enumerate(paths)}
    one = np.array([place[a] for _, a, _ in trials])
    other = np.array([place[b] for _, _, b in trials])
    scores = (vectors[one] * vectors[other]).sum(-1)
    if flags.output:
        lines = (f"{score:.6f}\t{a}\t{b}\n" for score, (_, a, b) in zip(scores, trials, strict=True))
        with as_output(flags.output), replace_atomically(flags.output) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    rates = error_rates(scores, np.array([same for same, _, _ in trials]))
    eer = equal_errors(rates)
    found = (
        f"EER {eer.rate:.2%} at the threshold {eer.threshold:.4f}, "
        f"minDCF {min_dcf(rates, prior=0.05):.4f} (prior 0.05), {min_dcf(rates, prior=0.01):.4f} (prior 0.01)"
    )
    print(f"{flags.trials}: {found}")
    counts = f"{len(trials)} trials of {len(paths)} recordings"
    if flags.report:
        facts = {"model": flags.model, "trials": counts}
        settings = {name: getattr(flags, name) for name in ("model", "trials", "channel", "dtype")}
        page = [EvaluatedSet(flags.trials, found, det_curve(rates))]
        with as_output(flags.report):
            write_report(flags.report, title=flags.trials, facts=facts, history=[], sets=page, settings=settings)
    report(counts)
    return 0


@contextmanager
def as_output(path: str) -> Iterator[None]:
    """Turns an error of writing `path` into one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_trials(path: Path) -> list[tuple[bool, str, str]]:
    """Reads a list of trials: (same speaker, a, b).

    Raises:
      ManifestError: it cannot be read, has no trial, a line is wrong, or a recording is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    trials, known = [], {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = line.strip().split("\t") if "\t" in line else line.split()
        if len(parts) != 3 or parts[0] not in ("0", "1"):
            raise ManifestError(f'{path}:{number}: {line.strip()!r:.80} is no trial; write "1 a.wav b.wav" or "0 ..."')
        pair = [str(path.parent / part) for part in parts[1:]]
        for file in pair:
            if not known.setdefault(file, Path(file).is_file()):
                raise ManifestError(f"{path}:{number}: {file}: no such file")
        trials.append((parts[0] == "1", *pair))
    if not trials:
        raise ManifestError(f"{path}: has no trial")
    return trials
