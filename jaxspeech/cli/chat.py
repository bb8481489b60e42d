"""Asks a language model that hears: a conversation about recordings, or one question about each of many.

  jaxspeech chat --model=salm.jaxspeech a.wav
  jaxspeech chat --model=salm.jaxspeech --ask="Transcribe the following: <audio>" a.wav
  jaxspeech chat --model=salm.jaxspeech --ask="Which language is spoken?" --output=out.jsonl folder
  jaxspeech chat --model=salm.jaxspeech --manifest=questions.jsonl --output=out.jsonl
  echo "What is said? <audio>" | jaxspeech chat --model=salm.jaxspeech a.wav

Without --ask, questions are lines of the terminal or of standard input, and each may refer to the ones before. <audio>
in a question stands for a recording; without it, the recordings follow the first question. /help lists what else a line
can say; Ctrl-C stops an answer. With --ask, each recording has the question to itself; without it, the lines of a
manifest have their own, "context". Models of text alone are asked without recordings.

Answers go to stdout or to --output. Everything else goes to stderr.

Exit status: 0; 1 with --strict if a question was skipped; 2 if nothing could be answered.
"""

import argparse
import io
import sys
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recordings import DTYPES, add_inputs, add_options, check_model, on_one_line, process, report
from jaxspeech.errors import ConfigError
from jaxspeech.runtime.streams import is_terminal
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.answer import Answer
    from jaxspeech.inference.inputs import Recording

FORMATS = ("text", "jsonl")
PIPE = "-"
# What the model itself is loaded with, and what each answer is asked with.
OF_MODEL = ("beam_size", "context", "template")
OF_ANSWERS = ("max_tokens", "temperature", "top_k", "top_p", "seed", "length_penalty", "thinking")


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser, dtypes=(*DTYPES, "int8"))  # int8: of the matrices of the language model
    parser.add_argument("--ask", metavar="QUESTION", help="the question about each recording; or one without any")
    parser.add_argument("--system", default="", help="what the model reads before the first question")
    parser.add_argument("--max_tokens", type=at_least(1), help="where an answer is cut; 256 if not given")
    parser.add_argument("--temperature", type=float, help="draw the tokens at this temperature, such as 0.7")
    parser.add_argument("--top_k", type=at_least(1), help="--temperature: draw among so many of the likeliest tokens")
    parser.add_argument(
        "--top_p", type=float, help="--temperature: draw among the likeliest tokens that have this probability together"
    )
    parser.add_argument("--seed", type=at_least(0), help="--temperature: other numbers give other answers")
    parser.add_argument("--beam_size", type=at_least(1), help="answers that a beam search keeps; 1 is greedy search")
    parser.add_argument("--length_penalty", type=float, help="--beam_size: above 0 favours long answers; 1 by default")
    parser.add_switch("thinking", default=None, help="whether a model that can think does so before it answers")
    parser.add_argument(
        "--context", type=at_least(1), help="the most tokens and frames of audio of a conversation; 8192 if not given"
    )
    parser.add_argument("--template", help="how conversations are written (qwen, llama3, plain, ...); the model's")
    parser.add_argument("--output", help="a file instead of stdout")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: the answer, after the path and a tab unless only one audio file is given; jsonl: the manifest "
        "line's fields, context (the question), pred_text (the answer). By default what --output ends in, else jsonl "
        "for a manifest and text for files",
    )


def run(flags: argparse.Namespace) -> int:
    """Loads the model, then answers questions about many recordings, or holds a conversation."""
    check_model(flags)
    each = bool(flags.manifest) or (flags.ask is not None and bool(flags.audio))
    if flags.ask is not None and not flags.ask.strip():
        raise ConfigError("--ask: the question is empty")
    if each and flags.system:
        raise ConfigError("--system is for conversations: leave it out with --ask or --manifest")
    if not each and (flags.output or flags.format):
        name = "output" if flags.output else "format"
        raise ConfigError(f"--{name}: questions about recordings need --ask=QUESTION and AUDIO..., or --manifest")
    if not each and PIPE in flags.audio and flags.ask is None:
        raise ConfigError("standard input is either a recording or questions: add --ask=QUESTION to hear it")
    return _answer_each(flags) if each else _converse(flags)


def _converse(flags: argparse.Namespace) -> int:
    """Holds a conversation: with --ask a single question, otherwise the lines of standard input."""
    from jaxspeech.cli.announcements import compilation_announced
    from jaxspeech.cli.chat_session import ChatSession

    session = ChatSession(_load(flags), _of_answers(flags), system=flags.system, channel=flags.channel)
    with compilation_announced():
        if flags.ask is not None:
            session.answer(flags.ask)
            return 0
        if flags.audio:
            session.attach(flags.audio)
        if is_terminal(sys.stdin):
            return session.talk()
        buffer = getattr(sys.stdin, "buffer", None)
        lines = sys.stdin if buffer is None else io.TextIOWrapper(buffer, encoding="utf-8-sig", errors="replace")
        return session.answer_lines(lines, strict=flags.strict)


def _answer_each(flags: argparse.Namespace) -> int:
    """Answers one question about each recording, or that of each line of a manifest."""
    from jaxspeech.inference.inputs import find_recordings, read_manifest
    from jaxspeech.inference.output import open_output
    from jaxspeech.inference.writers import guess_format

    if flags.ask is None and flags.audio:
        raise ConfigError("what is asked about these recordings? give --ask=QUESTION")
    recordings = list(find_recordings(flags.audio))
    named = bool(flags.manifest) or len(recordings) != 1
    recordings += [found for manifest in flags.manifest for found in read_manifest(manifest, needs_audio=False)]
    output_format = flags.format or guess_format(flags.output, otherwise="jsonl" if flags.manifest else "text")
    chat = _load(flags)
    asked: Any = _of_answers(flags) | {"batch_size": flags.batch_size, "channel": flags.channel, "on_error": "skip"}
    results = chat.ask_iter(flags.ask, recordings, **asked)
    with open_output(flags.output) as put:

        def take(recording: "Recording", found: "Answer") -> None:
            if found.error is None:
                put(as_jsonl(recording, found) if output_format == "jsonl" else as_text(found, named=named))

        bar = not (flags.output is None and is_terminal(sys.stdout))
        totals = process(recordings, results, take, done="answered", bar=bar)
    report(totals)
    return totals.status(strict=flags.strict)


def as_text(found: "Answer", *, named: bool) -> str:
    """The answer; on one line after the path, if it is named."""
    return f"{found.source}\t{on_one_line(found.text.strip())}\n" if named else found.text.strip() + "\n"


def as_jsonl(recording: "Recording", found: "Answer") -> str:
    """A line of JSON: the manifest line's fields, or path and duration, the question, and the answer."""
    audio = {"audio_filepath": found.source, "duration": round(found.duration, 3)}
    line = {"context": found.question} | dict(recording.fields or audio) | {"pred_text": found.text.strip()}
    return to_json(line) + "\n"


def _load(flags: argparse.Namespace) -> Any:
    of_model = {name: getattr(flags, name) for name in OF_MODEL}
    return jaxspeech.load(flags.model, jaxspeech.Chat, dtype=flags.dtype, **of_model)


def _of_answers(flags: argparse.Namespace) -> dict[str, Any]:
    """The options of answers that the command line gives."""
    return {name: getattr(flags, name) for name in OF_ANSWERS if getattr(flags, name) is not None}
