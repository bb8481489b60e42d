"""The command `jaxspeech`: finds the verb, parses its options, runs it and returns its exit status.

A verb is a module with

    __doc__                 what `jaxspeech VERB --help` prints first
    options(parser)         adds its options
    run(flags)              does the work; returns the exit status, None for 0
    EXTRA                   the extra of pyproject.toml that has the packages it needs beyond the base install, if any

or, where it has verbs of its own, with a table `VERBS` like the one below. It is imported when it is asked for, so
that `jaxspeech --help` takes no time. A new verb is one file and one line here.

Exit status, of all verbs:

    0       done
    1       --strict was given and a recording was skipped
    2       a mistake, reported in one line on stderr; or every recording was skipped
    75      a training run was preempted, after it had saved its state
    130     Ctrl-C
    143     terminated
"""

import importlib
import io
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.errors import ConfigError, SpeechError, did_you_mean
from jaxspeech.runtime import command
from jaxspeech.runtime.huge_pages import restart_with_huge_pages

NAME = "jaxspeech"
Verbs = Mapping[str, tuple[str, str]]

# Each verb with its module and what it does.
VERBS: Verbs = {
    "transcribe": ("jaxspeech.cli.transcribe", "write down what is said in recordings, or live"),
    "align": ("jaxspeech.cli.align", "find when each word of a given text is said"),
    "evaluate": ("jaxspeech.cli.evaluate", "score a model on manifests with reference texts"),
    "train": ("jaxspeech.cli.train", "train a model, or fine-tune one, by a recipe"),
    "average": ("jaxspeech.cli.average", "average models, or the checkpoints of a run"),
    "convert": ("jaxspeech.cli.convert", "convert a model between .nemo and .jaxspeech"),
    "tokenizer": ("jaxspeech.cli.tokenizer", "train a tokenizer on transcripts"),
    "prepare": ("jaxspeech.cli.prepare", "fetch or convert a speech corpus"),
}
HELP = ("-h", "--help", "-help", "help")
VERSION = ("--version", "-version")


def script(verb: str | None = None) -> NoReturn:
    """Runs this process's command line and ends the process.

    Args:
      verb: of a script that does one thing; None where the first argument says it.
    """
    restart_with_huge_pages()  # before the verb's imports, which take their time
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # files are closed, temporary ones removed
    prog = Path(sys.argv[0]).name if verb else NAME
    sys.exit(main(sys.argv[1:], verb=verb, prog=prog))


def main(argv: Sequence[str], *, verb: str | None = None, prog: str = NAME) -> int:
    """Runs a command line; returns its exit status.

    Args:
      argv: the arguments, without the program.
      verb: what to do; None where the first argument says it.
      prog: what help and error messages call the program.
    """
    if verb is None and argv[:1] and argv[0] in VERSION:
        print(f"{NAME} {jaxspeech.__version__}")
        return 0
    if verb is not None:
        return _run(VERBS[verb][0], verb, argv, prog=prog)
    return _choose(VERBS, argv, prog=prog, description=jaxspeech.__doc__ or "")


def _choose(verbs: Verbs, argv: Sequence[str], *, prog: str, description: str) -> int:
    """Runs the verb that the first argument names; without one, or with --help, lists all."""
    if not argv or argv[0] in HELP:
        print(_overview(verbs, prog=prog, description=description))
        return 0
    name, *rest = argv
    if name not in verbs:
        return command.fail(f"there is no verb {name!r}{did_you_mean(name, verbs)}", name=prog)
    return _run(verbs[name][0], name, rest, prog=f"{prog} {name}")


def _overview(verbs: Verbs, *, prog: str, description: str) -> str:
    width = max(map(len, verbs))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in verbs.items()]
    about = description.strip().split("\n\n")[0]
    return "\n".join([about, "", f"usage: {prog} VERB ...", "", *lines, "", f"{prog} VERB --help lists its options."])


def _run(module_name: str, verb: str, argv: Sequence[str], *, prog: str) -> int:
    module: Any = importlib.import_module(module_name)
    if hasattr(module, "VERBS"):
        return _choose(module.VERBS, argv, prog=prog, description=module.__doc__)
    parser = Parser(prog=prog, description=module.__doc__)
    module.options(parser)
    try:
        flags = parser.parse(argv)
    except ConfigError as error:
        return command.fail(str(error), name=prog)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    flags.prog, flags.verb = prog, verb
    _quiet()

    def work() -> int | None:
        try:
            return module.run(flags)
        except ModuleNotFoundError as error:
            if not (extra := getattr(module, "EXTRA", "")):
                raise
            install = f'python -m pip install "jaxspeech[{extra}]"'
            raise SpeechError(f"the package {error.name} is not installed: {install}") from error

    return command.run(work, name=prog)


def _quiet() -> None:
    """Keeps libraries' remarks from stderr, and lets file names be printed that are not text."""
    from absl import logging  # which takes its time to import

    logging.set_verbosity(logging.WARNING)  # JAX reports every device that it does not find
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
