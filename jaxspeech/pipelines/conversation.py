"""A conversation with a model that answers: questions with recordings, the answers, and what the model has read.

talk = chat.chat()
talk.ask("Transcribe the following: <audio>", "a.wav").text
for piece in talk.stream("And what is it about?"): print(piece, end="")
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np

from jaxspeech.inference.answer import Answer
from jaxspeech.inference.answer_memory import AnswerMemory
from jaxspeech.inference.answer_options import Manner, WritingOptions, manner
from jaxspeech.inference.answer_programs import AnswerPrograms, Prefilled, Prompt
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.part_tokens import row_of
from jaxspeech.inference.questions import Question, first_error, prompt_of, question, turn_of
from jaxspeech.search.texts import to_tokens
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Answering
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.incremental_decoder import IncrementalDecoder
from jaxspeech.text.turns import ASSISTANT, SYSTEM, Turn
from jaxspeech.types import Variables

# Tokens that are computed before text is given out again.
STEPS = 8


class Speaking(NamedTuple):
    """What a conversation needs of its model.

    Attributes:
      kind, programs, prompts: of the model.
      variables: gives those of the model.
      reader: options -> the function that reads the recordings of a question (see `inference.answering`).
      beam_size: of answers, unless a call says its own.
      context: the most places of a conversation, that of the answer included.
    """

    kind: Answering
    programs: AnswerPrograms
    prompts: ChatPrompts
    variables: Callable[[], Variables]
    reader: Callable[[Wanted], Callable[[Question], list[Any]]]
    beam_size: int
    context: int

    def limit(self, prompt: Prompt, how: Manner) -> int:
        """Where the answer to a prompt is cut."""
        return min(how.max_tokens, self.context - len(prompt.ids))


class Conversation:
    """Questions and answers, of which each question may refer to what was said and heard before.

    Audio is computed once: the keys and values of all earlier places are kept. An answer is the one that the whole
    conversation would get at once.

    Args:
      speaking: the model.
      system: text of a turn at the start; "" for the model's own, if it has one.

    Attributes:
      turns: what was said so far, (role, text).
      last: the last answer; None before the first.
    """

    def __init__(self, speaking: Speaking, *, system: str = ""):
        self._speaking, self._system = speaking, system
        self._memory = AnswerMemory(speaking.programs)
        self.reset()

    def reset(self) -> None:
        """Forgets what was said and heard."""
        self.turns: list[Turn] = [Turn(SYSTEM, self._system)] if self._system else []
        self.last: Answer | None = None
        self._audio: list[np.ndarray] = []
        self._names: list[str] = []
        self._memory.forget()

    def ask(self, text: str, *audio: Any, **options: Unpack[WritingOptions]) -> Answer:
        """Asks the next question.

        Args:
          text: in which "<audio>" stands for each recording; if it stands nowhere, they follow the text.
          audio: the recordings, as paths or arrays of samples.
          options: see `inference.answer_options.WritingOptions`.

        Raises:
          SpeechError: the question cannot be asked; the message is one line, and the conversation as before.
        """
        for _ in self._pieces(text, audio, options, call="ask"):
            pass
        assert self.last is not None
        return self.last

    def stream(self, text: str, *audio: Any, **options: Unpack[WritingOptions]) -> Iterator[str]:
        """Like `ask`, but yields the answer's text as it is written; afterwards `last` is the answer.

        A caller who stops reading stops the answer: what was written of it belongs to the conversation.
        """
        return self._pieces(text, audio, options, call="stream")

    def _pieces(self, text: str, audio: Any, options: Any, *, call: str) -> Iterator[str]:
        speaking, variables = self._speaking, self._speaking.variables()
        how, wanted = manner(options, WritingOptions, call=call, beam_size=speaking.beam_size)
        asked = question(text, audio)
        samples = speaking.reader(wanted)(asked)
        if (error := first_error(samples)) is not None:
            raise error
        turns = [*self.turns, turn_of(text, len(samples), speaking.prompts)]
        heard, names = [*self._audio, *samples], [*self._names, *(one.source for one in asked.recordings)]
        prompt = prompt_of(turns, heard, speaking.prompts, speaking.kind.frames, names=names, thinking=how.thinking)
        limit = speaking.limit(prompt, how)
        read = self._memory.read(variables, prompt, more=limit)
        growing, given = IncrementalDecoder(speaking.prompts.tokenizer), 0
        seconds = sum(map(len, samples)) / max(speaking.kind.sample_rate, 1)
        answer = Answer(question=text, source=asked.source, duration=seconds)
        tokens, ended = None, False
        try:
            for tokens, state in self._written(variables, read, how, limit=limit):
                self._memory.keep(prompt, tokens.ids.tolist(), state)
                new = "".join(growing.push(i) for i in tokens.ids[given:].tolist())
                given = len(tokens.ids)
                if new:
                    yield new
            ended = True
            if new := growing.finish():
                yield new
        finally:
            if tokens is not None:
                answer = answer.with_tokens(tokens, speaking.prompts.tokenizer, limit=limit)
                self.last = answer if ended else answer._replace(finished=False)
                self.turns = [*turns, Turn(ASSISTANT, self.last.text)]
                self._audio, self._names = heard, names

    def _written(
        self, variables: Variables, read: Prefilled, how: Manner, *, limit: int
    ) -> Iterator[tuple[Tokens, Any]]:
        """The answer so far, without padding, again and again, and a state that holds a part of it."""
        programs = self._speaking.programs
        if how.beam_size > 1:
            found = jax.device_get(programs.write(variables, read, how, limits=[limit], places=[0]))
            yield row_of(jax.tree.map(lambda leaf: leaf[0], found), 0), read.state
            return
        texts = programs.begin(variables, read, how, limit=limit)
        while True:
            found = jax.device_get(to_tokens(texts))
            yield row_of(jax.tree.map(lambda leaf: leaf[0], found), 0), texts.state
            if texts.done[0]:
                return
            texts = programs.advance(variables, texts, how, count=STEPS)
