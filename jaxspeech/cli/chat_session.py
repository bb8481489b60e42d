"""A conversation on the command line: lines are questions or commands, and answers appear as they are written.

> /audio a.wav
> What is said?
two dogs
"""

import contextlib
import importlib
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxspeech.cli.recordings import on_one_line, report
from jaxspeech.errors import AudioError, ConfigError, SpeechError, did_you_mean
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.runtime.command import MISTAKE, SKIPPED
from jaxspeech.runtime.streams import is_terminal

COMMANDS = {
    "/audio": "FILE...: ask the next question about these recordings",
    "/help": "this list",
    "/quit": "end, as Ctrl-D does",
    "/reset": "forget what was said and heard",
}
MARK = "> "


class ChatSession:
    """One conversation, whose answers go to stdout.

    Args:
      chat: a `Chat`.
      options: of its answers.
      system: what the model reads before everything else.
      channel: of recordings.
    """

    def __init__(self, chat: Any, options: dict[str, Any], *, system: str = "", channel: Any = "mean"):
        self._talk, self._options = chat.chat(system=system), options
        self._rate, self._channel = chat.task.inference.sample_rate, channel
        self._attached: list[Recording] = []

    def attach(self, names: Iterable[str]) -> None:
        """Reads recordings, which the next question is about.

        Raises:
          SpeechError: one cannot be read; then none is attached.
        """
        if not self._rate:
            raise ConfigError("this model reads text alone; it hears no recordings")
        found = []
        for recording in find_recordings(list(names)):
            samples = read_recording(recording, sample_rate=self._rate, channel=self._channel)
            if isinstance(samples, SpeechError):
                raise samples
            if not len(samples):
                raise AudioError(f"{recording.source}: there is no audio in it")
            found.append((recording._replace(audio=samples), len(samples) / self._rate))
        self._attached += [recording for recording, _ in found]
        if is_terminal(sys.stdin):
            for recording, seconds in found:
                report(f"{recording.source}: {seconds:.1f} s, with the next question")

    def answer(self, question: str) -> None:
        """Asks a question, and writes the answer to stdout as it comes.

        Raises:
          SpeechError: it cannot be asked; the recordings stay with the next question.
        """
        before, begun = self._talk.last, False
        try:
            with contextlib.closing(self._talk.stream(question, *self._attached, **self._options)) as pieces:
                for piece in pieces:
                    piece = piece if begun else piece.lstrip()
                    begun = begun or bool(piece)
                    print(piece, end="", flush=True)
        finally:
            if (answer := self._talk.last) is not before:  # also of an answer that was stopped
                self._attached = []
                print(flush=True)
        if answer is not None and not answer.finished:
            report(f"(cut after {len(answer.tokens)} tokens: --max_tokens, --context)")

    def answer_lines(self, lines: Iterable[str], *, strict: bool) -> int:
        """Answers every line that is not empty; returns the exit status."""
        answered, skipped = 0, 0
        for line in lines:
            try:
                if (question := line.strip()) and not self._obeyed(question):
                    self.answer(question)
                    answered += 1
            except EOFError:
                break
            except SpeechError as error:
                skipped += 1
                report(f"skipped: {error}")
        if skipped and not answered:
            return MISTAKE
        return SKIPPED if strict and skipped else 0

    def talk(self) -> int:
        """Answers what is typed until it ends; returns the exit status. Ctrl-C stops an answer, or empties the line."""
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # which makes lines editable

        report("ask; /help lists what else you can type")
        while True:
            try:
                line = _typed()
                if line.strip() and not (line.startswith("/") and self._obeyed(line.strip())):
                    self.answer(line.strip())
            except EOFError:
                print()
                return 0
            except KeyboardInterrupt:
                report("")
            except SpeechError as error:
                report(error)

    def _obeyed(self, line: str) -> bool:
        """Does what a command says; False for a line that is none.

        Raises:
          EOFError: it says to end.
          SpeechError: there is no such command, or it cannot be done.
        """
        if not line.startswith("/"):
            return False
        name, _, rest = line.partition(" ")
        if name not in COMMANDS:
            raise ConfigError(f"there is no command {on_one_line(name)}{did_you_mean(name, COMMANDS)}")
        if name == "/quit":
            raise EOFError
        if name == "/reset":
            self._talk.reset()
            self._attached = []
        elif name == "/audio":
            self.attach(_names(rest))
        else:
            for command, what in COMMANDS.items():
                report(f"{command:8} {what}")
            report("<audio> in a question stands for a recording; without it, the recordings follow the question")
        return True


def _typed() -> str:
    """A line of the terminal, after a mark that does not get among answers elsewhere."""
    if is_terminal(sys.stdout):
        return input(MARK)
    print(MARK, end="", file=sys.stderr, flush=True)
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line


def _names(text: str) -> list[str]:
    """The files that a command names: one with spaces in its name, or several."""
    if not text.strip():
        raise ConfigError("which recordings? /audio FILE...")
    if Path(text.strip()).exists():
        return [text.strip()]
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"/audio {on_one_line(text)}: {error}") from error
