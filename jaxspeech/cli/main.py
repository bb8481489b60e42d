"""The command `jaxspeech`: finds the verb, parses its options, runs it and returns its exit status.

A verb is a module with

    __doc__                 the text that `jaxspeech VERB --help` prints first
    options(parser)         adds its options
    run(flags)              does the work; returns the exit status, None for 0
    EXTRA                   the extra of pyproject.toml with the packages that it needs beyond the base install, if any

or, if it has verbs of its own, a module with a table `VERBS` like the one below. A module is only imported when its
verb is used, so that `jaxspeech --help` is fast. A new verb is one file and one line here.

Exit status of all verbs:

    0       done
    1       --strict was given and a recording was skipped
    2       an error, reported in one line on stderr; or every recording was skipped
    75      a training run was preempted and has saved its state
    130     Ctrl-C
    129     hung up (SIGHUP: its terminal was closed)
    143     terminated (SIGTERM)

A signal that a terminal sends and that the process was started to ignore, as by `nohup` or in the background of a
script, stays ignored. Messages on stderr that cannot be written are lost; results on stdout that cannot be written are
an error, except that a reader that closes it (`| head`) ends the command with status 0.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.errors import SpeechError, did_you_mean
from jaxspeech.runtime import command, streams
from jaxspeech.runtime.huge_pages import restart_with_huge_pages
from jaxspeech.runtime.platform import catch_signals, signals
from jaxspeech.runtime.unicode import let_stdout_take_any_text

NAME = "jaxspeech"
Verbs = Mapping[str, tuple[str, str]]

# Verb -> (module, description).
VERBS: Verbs = {
    "transcribe": ("jaxspeech.cli.transcribe", "transcribe recordings, or live audio"),
    "chat": ("jaxspeech.cli.chat", "ask a language model that hears about recordings"),
    "align": ("jaxspeech.cli.align", "find when each word of a given text is spoken"),
    "classify": ("jaxspeech.cli.classify", "name the class of recordings: commands, languages, any labels"),
    "estimate": ("jaxspeech.cli.estimate", "estimate a number for recordings: ratings, ages"),
    "detect": ("jaxspeech.cli.detect", "find speech in recordings"),
    "diarize": ("jaxspeech.cli.diarize", "find who spoke when in recordings"),
    "enhance": ("jaxspeech.cli.enhance", "remove noise from recordings, or from live audio"),
    "speak": ("jaxspeech.cli.speak", "speak texts with a voice"),
    "evaluate": (
        "jaxspeech.cli.evaluate",
        "score a model on manifests, or turns of speakers: transcripts, classes, speakers",
    ),
    "verify": ("jaxspeech.cli.verify", "decide whether recordings are of the same speaker"),
    "embed": ("jaxspeech.cli.embed", "write the speaker embeddings of recordings"),
    "codec": ("jaxspeech.cli.codec", "turn recordings into the ids of a neural codec, and back"),
    "train": ("jaxspeech.cli.train", "train a model, or fine-tune one, by a recipe"),
    "average": ("jaxspeech.cli.average", "average models, or the checkpoints of a run"),
    "convert": ("jaxspeech.cli.convert", "convert a model between .nemo and .jaxspeech"),
    "tokenizer": ("jaxspeech.cli.tokenizer", "train a tokenizer on transcripts"),
    "ngram": ("jaxspeech.cli.ngram", "train an n-gram language model on texts, score texts, convert"),
    "prepare": ("jaxspeech.cli.prepare", "fetch or convert a speech corpus"),
}
HELP = ("-h", "--help", "-help", "help")
VERSION = ("--version", "-version")


def script(verb: str | None = None) -> NoReturn:
    """Runs this process's command line and ends the process.

    Args:
      verb: the verb of a script that has only one; None if it is the first argument.
    """
    restart_with_huge_pages()  # before the verb's imports, which are slow
    streams.open_missing()
    sys.stderr = streams.Forgiving(sys.stderr)
    catch_signals(signals("SIGTERM", "SIGHUP"), _end)
    prog = Path(sys.argv[0]).name if verb else NAME
    sys.exit(main(sys.argv[1:], verb=verb, prog=prog))


def main(argv: Sequence[str], *, verb: str | None = None, prog: str = NAME) -> int:
    """Runs a command line; returns its exit status.

    Args:
      argv: the arguments, without the program.
      verb: the verb to run; None if it is the first argument.
      prog: name of the program in help and error messages.
    """
    if verb is not None:
        return _run(VERBS[verb][0], verb, argv, prog=prog)
    return command.run(lambda: _choose(VERBS, argv, prog=prog, description=jaxspeech.__doc__), name=prog)


def _choose(verbs: Verbs, argv: Sequence[str], *, prog: str, description: str | None) -> int:
    """Runs the verb that the first argument names; without one, or with --help, lists all verbs."""
    if verbs is VERBS and argv[:1] and argv[0] in VERSION:
        print(f"{NAME} {jaxspeech.__version__}")
        return 0
    if not argv or argv[0] in HELP:
        print(_overview(verbs, prog=prog, description=description or ""))  # `python -OO` has no docstrings
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
    def work() -> int | None:
        module: Any = importlib.import_module(module_name)
        if hasattr(module, "VERBS"):
            return _choose(module.VERBS, argv, prog=prog, description=module.__doc__)
        parser = Parser(prog=prog, description=module.__doc__)
        module.options(parser)
        try:
            flags = parser.parse(argv)
        except SystemExit as end:  # --help
            return int(end.code or 0)
        flags.prog, flags.verb = prog, verb
        _quiet()
        try:
            return module.run(flags)
        except ModuleNotFoundError as error:
            if not (extra := getattr(module, "EXTRA", "")):
                raise
            install = f'python -m pip install "jaxspeech[{extra}]"'
            raise SpeechError(f"the package {error.name} is not installed: {install}") from error

    return command.run(work, name=prog)


def _end(number: int, frame: object) -> NoReturn:
    """Ends the process with an exception, which closes files and removes temporary ones."""
    del frame
    catch_signals(signals("SIGHUP"), lambda *_: None)  # it comes twice, from the shell and from the system
    sys.exit(command.BY_SIGNAL + number)


def _quiet() -> None:
    """Keeps log messages of libraries off stderr, and lets any text be printed."""
    from absl import logging  # a slow import

    logging.set_verbosity(logging.WARNING)  # below that, JAX logs every backend that it does not find
    let_stdout_take_any_text()
