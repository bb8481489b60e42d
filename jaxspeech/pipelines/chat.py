"""Answers questions about recordings, and without any: load a model, ask.

    chat = load("salm.jaxspeech", Chat)
    chat.ask("Transcribe the following: <audio>", "a.wav").text
    talk = chat.chat()                                       # remembers what was said and heard
    for answer in chat.ask_iter("How many people speak?", "folder"): ...

questions -> prompts (inference/questions.py) -> batches (inference/answering.py) -> one loop of tokens
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Unpack

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError
from jaxspeech.inference.answer import Answer
from jaxspeech.inference.answer_options import AnswerOptions, Manner, TranscriptOptions, WritingOptions, manner
from jaxspeech.inference.answer_programs import PLACES, AnswerPrograms, Prompt, padded_places
from jaxspeech.inference.answering import Written, written_answers
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.channels import each_channel
from jaxspeech.inference.enhanced_reading import EnhancedReading
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.options import TranscribeOptions, Wanted
from jaxspeech.inference.questions import Question, about, find_questions, prompt_of, turn_of
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.pipelines.chat_transcripts import TRANSCRIBE, check_transcribing, transcribed_parts, transcript_of
from jaxspeech.pipelines.conversation import Conversation, Speaking
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Answering
from jaxspeech.text.chat import CHAT
from jaxspeech.text.chat import Chat as ChatForm
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.tokenizer import Tokenizer

# The most places of a conversation.
CONTEXT = 8192
# Special tokens, and the template of models that have them all.
TEMPLATES = (
    (("<|im_start|>", "<think>"), "qwen3"),
    (("<|im_start|>",), "qwen"),
    (("<|start_header_id|>",), "llama3"),
    (("<start_of_turn>",), "gemma"),
    ((), "plain"),
)


class Chat(Pipeline):
    """A language model that hears, or one of text alone, and its tokenizer.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      tokenizer: text to ids and back; one of the assets.
      form: the template of conversations; one of the assets.
    """

    takes = Answering

    def __init__(
        self,
        archive: Archive,
        *,
        dtype: str | None = None,
        beam_size: int | None = None,
        context: int | None = None,
        template: str | None = None,
    ):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          beam_size: the answers that the search keeps, unless a call says its own; None: 1, greedy search.
          context: the most places of a conversation and its answer: a token each, a frame of audio each; 8192 if None.
            Memory is taken as it is needed.
          template: of conversations ("qwen", "llama3", "plain", ... see `text.chat_templates`); None: the model's or,
            as those of Transformers have none, that of its special tokens.

        Raises:
          ConfigError: it is a model of another kind, or has no tokenizer.
        """
        super().__init__(archive, dtype=dtype)
        if "tokenizer" not in self.assets:
            raise ConfigError("this model has no tokenizer, and so reads no questions")
        for name, value in (("beam_size", beam_size), ("context", context)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        self.tokenizer: Tokenizer = self.assets["tokenizer"]
        if template is not None or CHAT not in self.assets:
            self.assets = {**self.assets, CHAT: ChatForm(template or template_of(self.tokenizer))}
        self.form: ChatForm = self.assets[CHAT]
        kind: Answering = self.task.inference
        most = context or CONTEXT
        self._prompts = ChatPrompts(self.form, self.tokenizer, most_tokens=most - 1)
        programs = AnswerPrograms(self.task, config=self.config, end_ids=self.form.end_ids(self.tokenizer))
        variables, beam_size = (lambda: self.variables), beam_size or 1
        self._speaking = Speaking(kind, programs, self._prompts, variables, self._reader, beam_size, most)
        self._shapes = ShapeChoice(PLACES)

    def ask(self, text: str, *audio: Any, **options: Unpack[WritingOptions]) -> Answer:
        """Asks one question.

        Args:
          text: in which "<audio>" stands for each recording; if it stands nowhere, they follow the text.
          audio: the recordings, as paths or arrays of samples ([S], [S C] or [C S]).
          options: see `inference.answer_options.WritingOptions`: max_tokens, temperature, top_k, top_p, seed,
            beam_size, length_penalty, thinking, sample_rate, channel.

        Raises:
          SpeechError: the question cannot be asked; the message is one line.
        """
        return self.chat().ask(text, *audio, **options)

    def stream(self, text: str, *audio: Any, **options: Unpack[WritingOptions]) -> Iterator[str]:
        """Like `ask`, but yields the answer's text as it is written, in pieces of a few tokens."""
        return self.chat().stream(text, *audio, **options)

    def chat(self, *, system: str = "") -> Conversation:
        """Begins a conversation, in which a question may refer to what was said and heard before.

        Args:
          system: what the model reads before everything else; "" for its own text, if it has one.
        """
        return Conversation(self._speaking, system=system)

    def ask_each(
        self, asked: Any, inputs: Any = None, *, progress: bool = False, **options: Unpack[AnswerOptions]
    ) -> list[Answer]:
        """Asks one question about each of many recordings, or many questions; returns the answers in order.

            chat.ask_each("Which language is spoken?", "folder")
            chat.ask_each(None, "questions.jsonl")                    # a "context" in each line
            chat.ask_each([("What is said? <audio>", "a.wav"), "What is two and two?"])

        An answer does not depend on the other questions.

        Args:
          asked: the question, with `inputs`; or an iterable of questions, each a text or (text, recording, ...).
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples, or an iterable
            of all these.
          progress: show a bar.
          options: see `inference.answer_options.AnswerOptions`: those of `ask`, batch_size, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        answers = self.ask_iter(asked, inputs, **options)
        return list(with_bar(answers, asked if inputs is None else inputs) if progress else answers)

    def ask_iter(self, asked: Any, inputs: Any = None, **options: Unpack[AnswerOptions]) -> Iterator[Answer]:
        """Like `ask_each`, but yields each answer as soon as it and all earlier ones are ready, in bounded memory."""
        how, wanted = manner(options, AnswerOptions, call="ask", beam_size=self._speaking.beam_size)
        if isinstance(asked, str):
            turn_of(asked, 1, self._prompts)  # an empty question is an error of the call

        def plan(question: Question, audio: Sequence[np.ndarray]) -> list[Prompt]:
            names = [recording.source for recording in question.recordings]
            return [self._prompt(question.text, audio, names, how)]

        for written in self._written(find_questions(asked, inputs), plan, how, wanted):
            question = written.question
            duration = written.seconds(self.task.inference.sample_rate)
            answer = Answer(question=question.text, source=question.source, duration=duration)
            if written.error is not None:
                yield answer._replace(error=str(written.error))
            else:
                [tokens] = written.answers
                answer = answer.with_tokens(tokens, self.tokenizer, limit=how.max_tokens)
                yield answer if answer.finished else answer._replace(note=how.cut_note)

    def transcribe(
        self, inputs: Any, *, progress: bool = False, question: str | None = None, **options: Unpack[TranscriptOptions]
    ) -> list[Hypothesis]:
        """Transcribes all inputs, in order, as a `Recognizer` does.

        Recordings of more than 40 s are cut at silences into segments of at most 30 s, each transcribed by itself.

        Args:
          inputs: what `Recognizer.transcribe` takes.
          progress: show a bar.
          question: that asks for the transcript; None: that of the manifest's line ("context"), or `TRANSCRIBE`.
          options: batch_size, sample_rate, channel, on_error; long: "auto", "segments", or "full" for whole recordings;
            voice_activity, which finds where to cut. Others are errors.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.transcribe_iter(inputs, question=question, **options)
        return list(with_bar(results, inputs) if progress else results)

    def transcribe_iter(
        self, inputs: Any, *, question: str | None = None, **options: Unpack[TranscriptOptions]
    ) -> Iterator[Hypothesis]:
        """Like `transcribe`, but yields each transcript as soon as it and all earlier ones are ready."""
        how, wanted = manner(options, TranscribeOptions, call="transcribe", beam_size=self._speaking.beam_size)
        check_transcribing(wanted)
        rate = self.task.inference.sample_rate

        def plan(asked: Question, audio: Sequence[np.ndarray]) -> list[Prompt]:
            [samples] = audio
            parts = transcribed_parts(samples, rate, wanted)
            return [self._prompt(asked.text, [part], [asked.source], how) for part in parts]

        recordings = find_recordings(inputs)
        recordings = each_channel(recordings) if wanted.channel == "each" else recordings
        asked = (about(recording, question, otherwise=TRANSCRIBE) for recording in recordings)
        for written in self._written(asked, plan, how, wanted):
            yield transcript_of(written, how, self.tokenizer, rate)

    def _prompt(self, text: str, audio: Sequence[np.ndarray], names: Sequence[str], how: Manner) -> Prompt:
        turns = [turn_of(text, len(audio), self._prompts)]
        frames = self.task.inference.frames
        return prompt_of(turns, audio, self._prompts, frames, names=names, thinking=how.thinking)

    def _written(
        self, questions: Iterable[Question], plan: Callable[..., list[Prompt]], how: Manner, wanted: Wanted
    ) -> Iterator[Written]:
        programs, more = self._speaking.programs, padded_places(how.max_tokens)

        def write(prompts: Sequence[Prompt], places: Sequence[int], shape: Shape) -> Tokens:
            read = programs.start(self.variables, prompts, rows=shape.rows, size=shape.length, more=more)
            limits = [self._speaking.limit(prompt, how) for prompt in prompts]
            return programs.write(self.variables, read, how, limits=limits, places=places)

        options: Any = {"shapes": self._shapes, "batch_size": wanted.batch_size, "on_error": wanted.on_error}
        return written_answers(questions, read=self._reader(wanted), plan=plan, write=write, **options)

    def _reader(self, wanted: Wanted) -> Callable[[Question], list[Any]]:
        """The function that reads the recordings of a question, and gives an error for one that it cannot read."""
        rate = self.task.inference.sample_rate
        read = read_recording if wanted.enhance is None else EnhancedReading(wanted.enhance).read

        def read_one(recording: Recording) -> Any:
            if not rate:
                return ConfigError(f"{recording.source}: this model reads text alone; it hears no recordings")
            channel = "mean" if wanted.channel == "each" else wanted.channel
            channel = channel if recording.channel is None else recording.channel
            return read(recording, sample_rate=rate, array_rate=wanted.sample_rate, channel=channel)

        return lambda question: [read_one(recording) for recording in question.recordings]


def template_of(tokenizer: Tokenizer) -> str:
    """The template for a model whose tokenizer has such special tokens."""
    pieces = set(tokenizer.pieces)
    return next(name for tokens, name in TEMPLATES if pieces.issuperset(tokens))
