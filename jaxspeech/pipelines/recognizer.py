"""Transcribes audio: load a model, transcribe anything.

    asr = load("model.jaxspeech")
    for hypothesis in asr.transcribe_iter(["a.wav", "folder", samples]): ...

recordings -> rows of tokens (inference/rows.py; long recordings: inference/long.py) -> text and times
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, Unpack, overload

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.forms.encoder import EncoderOnly, encoder_only
from jaxspeech.forms.search import with_search
from jaxspeech.forms.streaming import streaming
from jaxspeech.forms.transcribing import transcribing_forms
from jaxspeech.inference.aligner import Aligner
from jaxspeech.inference.attributed import attributed, kept
from jaxspeech.inference.gated_stream import GatedStream, GatedStreams
from jaxspeech.inference.hypothesis import Hypothesis, hypotheses
from jaxspeech.inference.inputs import Recording, find_recordings, find_recordings_with_text
from jaxspeech.inference.long import LongAudio
from jaxspeech.inference.options import (
    SPEAKER_NUMBERS,
    AlignOptions,
    Slots,
    StreamOptions,
    TranscribeOptions,
    Wanted,
    wanted,
)
from jaxspeech.inference.prompted import language_to_align, prompted_rows
from jaxspeech.inference.rows import Row
from jaxspeech.inference.second_model import retimed
from jaxspeech.inference.spoken_stream import SpokenStream, SpokenStreams
from jaxspeech.inference.stream_prompts import StreamPrompts
from jaxspeech.inference.streaming import Stream, StreamPrograms, Streams, compile_streams
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.live_activity import live_activity
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs
from jaxspeech.text.prompt import PROMPT
from jaxspeech.text.prompt_slots import SLOTS
from jaxspeech.text.tokenizer import Tokenizer


class Recognizer(Pipeline):
    """A recognition model and its tokenizer.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      tokenizer: text to ids and back; one of the assets.
    """

    takes = Recognition

    def __init__(
        self,
        archive: Archive,
        *,
        dtype: str | None = None,
        head: str | None = None,
        beam_size: int | None = None,
        language: str | None = None,
    ):
        """Puts the model on the device; `config` and `variables` are in the form in which it runs fastest.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          head, beam_size, language: options of the search, see `load`; None: as in the configuration.

        Raises:
          ConfigError: it is not a recognition model, or has no such search.
        """
        search: Any = {"head": head, "beam_size": beam_size, "language": language}
        if any(option is not None for option in search.values()):
            archive = archive._replace(model=with_search(archive.model, **search))
        super().__init__(archive, dtype=dtype)
        self.tokenizer: Tokenizer = self.assets["tokenizer"]
        forms = transcribing_forms(self.config, self.task)
        self._long = LongAudio(forms, self.tokenizer, self.assets.get(PROMPT))
        self._aligner = Aligner(self.task.inference, self.tokenizer)
        self._stream_programs: dict[tuple[Any, ...], StreamPrograms] = {}
        self._speaking: dict[str, Recognizer] = {}
        self._second = None if archive.aligner is None else Recognizer(archive.aligner, dtype=dtype)

    @property
    def archive(self) -> Archive:
        """The content of the file that `save` writes."""
        return super().archive._replace(aligner=self._second and self._second.archive)

    def transcribe(
        self, inputs: Any, *, progress: bool = False, **options: Unpack[TranscribeOptions]
    ) -> list[Hypothesis]:
        """Transcribes all inputs, in order. A transcript does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          progress: show a bar.
          options: see `inference.options.TranscribeOptions`: batch_size, timestamps, return_log_probs, sample_rate,
            channel, long, voice_activity, on_error, language, guard, speakers, num_speakers, min_speakers,
            max_speakers, and the slots of prompts.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.transcribe_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def transcribe_iter(self, inputs: Any, **options: Unpack[TranscribeOptions]) -> Iterator[Hypothesis]:
        """Like `transcribe`, but yields each transcript as soon as it and all earlier ones are ready.

        Memory use does not depend on the number of inputs; they may come from an infinite generator.
        """
        asked = wanted(options, TranscribeOptions, call="transcribe")
        if (spoken := options.pop("language", None)) is not None:
            return self._for_language(spoken).transcribe_iter(inputs, **options)
        if asked.return_log_probs and self.task.inference.log_probs is None:
            raise ConfigError("return_log_probs: this model has no log-probabilities for each frame")
        if asked.return_log_probs and asked.long == "segments":
            raise ConfigError('return_log_probs: long="segments" leaves frames out; use a different value')
        asked = asked._replace(timestamps=asked.timestamps or asked.speakers is not None)
        recognition, second = self.task.inference, self._second if asked.timestamps else None
        outputs = Outputs(log_probs=asked.return_log_probs)
        tokenizer = self.tokenizer
        of_model: Any = {"prompt": self.assets.get(PROMPT), "tokenizer": tokenizer}
        aligns = second is not None or recognition.log_probs is not None
        recordings, known = find_recordings(inputs), {"recognition": recognition, "aligns": aligns}
        rows = prompted_rows(self._long, self.variables, recordings, asked, outputs, **of_model, **known)
        taken: deque[Row[Any]] = deque()
        rows = rows if asked.speakers is None else kept(rows, taken)
        make = partial(hypotheses, recognition=recognition, tokenizer=tokenizer, wanted=asked)
        if second is None:
            return self._attributed(make(rows), taken, asked)
        # The second model takes samples as the first one heard them, and what it cannot align keeps its times.
        samples = Wanted(asked.batch_size, recognition.sample_rate, on_error="skip")
        align = partial(second._aligned, wanted=samples, pin=True)
        found = retimed(rows, make, align, partial(language_to_align, **of_model), batch_size=asked.batch_size)
        return self._attributed(found, taken, asked)

    def _attributed(
        self, hypotheses: Iterator[Hypothesis], rows: deque[Row[Any]], wanted: Wanted
    ) -> Iterator[Hypothesis]:
        """The hypotheses with speakers, if they are wanted; see `inference.attributed`."""
        if wanted.speakers is None:
            return hypotheses
        from jaxspeech.pipelines.diarizing import diarizing  # which is slow to import

        rate, numbers = self.task.inference.sample_rate, {name: getattr(wanted, name) for name in SPEAKER_NUMBERS}
        diarize = diarizing(wanted.speakers, numbers, sample_rate=rate)
        return attributed(hypotheses, rows, diarize, wanted, sample_rate=rate)

    def align(
        self,
        inputs: Any,
        text: str | None = None,
        *,
        language: str | None = None,
        progress: bool = False,
        **options: Unpack[AlignOptions],
    ) -> list[Hypothesis]:
        """Finds when each word, segment and token of a given text was spoken; needs a CTC head or an aligner.

            asr.align("talk.wav", open("talk.txt").read())[0].words[0].start
            asr.align([("a.wav", "what is said"), (samples, "and here")])
            asr.align("list.jsonl")

        The words are returned as written; for the alignment they are spelled with the tokenizer's pieces (see
        `text.spelling`). A word that it cannot spell fills the time between its neighbours, and `note` names it. Each
        line of the text is a segment; a text of one line is split at the ends of sentences and at long pauses.

        Args:
          inputs: one recording, with `text`; or a manifest with texts, or an iterable of pairs (recording, text).
          text: the transcript of the one recording.
          language: of the texts, for a multilingual tokenizer; a manifest's "lang" takes precedence.
          progress: show a bar.
          options: see `inference.options.AlignOptions`: batch_size, return_log_probs, sample_rate, channel, long,
            on_error.

        Returns:
          The hypotheses in the order of the inputs: the given text, its tokens, score and confidence.

        Raises:
          SpeechError: an input or option is invalid, or a text is too long for its audio; the message is one line.
        """
        results = self.align_iter(inputs, text, language=language, **options)
        return list(with_bar(results, inputs) if progress else results)

    def align_iter(
        self, inputs: Any, text: str | None = None, *, language: str | None = None, **options: Unpack[AlignOptions]
    ) -> Iterator[Hypothesis]:
        """Like `align`, but yields each hypothesis as soon as it and all earlier ones are ready."""
        asked = wanted(options, AlignOptions, call="align")
        decoder = self.config["decoder"]
        if language is not None and decoder.get("languages") and decoder.get("language") != language:
            return self._for_language(language).align_iter(inputs, text, language=language, **options)
        if self.task.inference.log_probs is None and self._second is not None:
            return self._second.align_iter(inputs, text, language=language, **options)
        if self.task.inference.log_probs is None:
            raise ConfigError("align: this model has no CTC head, and so no log-probabilities for each frame")
        if asked.long == "segments":
            raise ConfigError('align: long="segments" would need a text for each segment; use a different value')
        return self._aligned(find_recordings_with_text(inputs, text), asked, language=language)

    def _aligned(
        self, recordings: Iterable[Recording], wanted: Wanted, *, language: str | None = None, pin: bool = False
    ) -> Iterator[Hypothesis]:
        """Aligns recordings with their texts; see `Aligner.align`."""
        rows = self._long.rows(self.variables, recordings, wanted, Outputs(tokens=False, log_probs=True))
        return self._aligner.align(rows, wanted, language=language, pin=pin)

    @overload
    def stream(
        self, *, name: str = "stream", sample_rate: int | None = None, **options: Unpack[StreamOptions]
    ) -> Stream: ...

    @overload
    def stream(
        self,
        *,
        name: str = "stream",
        sample_rate: int | None = None,
        voice_activity: Classifier,
        gate: Mapping[str, Any] | None = None,
        **options: Unpack[StreamOptions],
    ) -> GatedStream: ...

    @overload
    def stream(
        self,
        *,
        name: str = "stream",
        sample_rate: int | None = None,
        voice_activity: Classifier | None = None,
        gate: Mapping[str, Any] | None = None,
        speakers: Any,
        **options: Unpack[StreamOptions],
    ) -> SpokenStream: ...

    def stream(
        self,
        *,
        name: str = "stream",
        sample_rate: int | None = None,
        voice_activity: Classifier | None = None,
        gate: Mapping[str, Any] | None = None,
        speakers: Any = None,
        **options: Unpack[StreamOptions],
    ) -> Stream | GatedStream | SpokenStream:
        """Opens a live stream: `stream.feed(samples)` yields a hypothesis after each step, `finish()` returns the last.

        Args:
          name: the stream's name in hypotheses and errors.
          sample_rate: of the samples, in Hz; the model's by default.
          voice_activity: a model of frames: only the speech that it finds is transcribed, see `gated_streams`.
          gate: options of `gated_streams`.
          speakers: a diarizer that can run live: words have their speakers, see `spoken_streams`.
          options: see `streams`: look_ahead, chunk, chunks, left, policy, wait, tokens, hold, timestamps, slots.
        """
        if speakers is not None:
            activity: Any = {"voice_activity": voice_activity, "gate": gate}
            return self.spoken_streams(1, speakers, **activity, **options).open(name, sample_rate=sample_rate)
        if voice_activity is None:
            if gate is not None:
                raise ConfigError("gate: says how voice_activity is used, which is not given")
            return self.streams(1, **options).open(name, sample_rate=sample_rate)
        return self.gated_streams(1, voice_activity, gate=gate, **options).open(name, sample_rate=sample_rate)

    def gated_streams(
        self,
        size: int,
        voice_activity: Classifier,
        *,
        gate: Mapping[str, Any] | None = None,
        **options: Unpack[StreamOptions],
    ) -> GatedStreams:
        """Like `streams`, but transcribes only speech, and ends an utterance at a silence.

        Args:
          size: maximum number of simultaneous recordings.
          voice_activity: a model of frames with a class "speech", or with two classes of which the second is speech.
          gate: see `audio.speech_gate.GateOptions`: onset, offset, pad_onset, pad_offset, min_silence, look_ahead,
            step.
          options: see `streams`: look_ahead, chunk, chunks, left, policy, wait, tokens, hold, timestamps, slots.

        Raises:
          ConfigError: one of the models cannot run live, their sample rates differ, or an option is unknown.
        """
        rate = self.task.inference.sample_rate
        activity = live_activity(voice_activity, gate, sample_rate=rate)
        return GatedStreams(self.streams(size, **options), self.tokenizer, activity)

    def spoken_streams(
        self,
        size: int,
        speakers: Any,
        *,
        voice_activity: Classifier | None = None,
        gate: Mapping[str, Any] | None = None,
        **options: Unpack[StreamOptions],
    ) -> SpokenStreams:
        """Like `streams`, but words have their speakers, as soon as these are known; and hypotheses have `turns`.

        Args:
          size: maximum number of simultaneous recordings.
          speakers: a diarizer that can run live.
          voice_activity, gate: as for `stream`: only speech is transcribed.
          options: see `streams`: look_ahead, chunk, chunks, left, policy, wait, tokens, hold, slots.

        Raises:
          ConfigError: one of the models cannot run live, or an option is unknown.
        """
        if not hasattr(speakers, "streams"):
            given = type(speakers).__name__
            raise ConfigError(f"speakers: a {given} needs whole recordings; live audio needs a model of diarization")
        options = options | {"timestamps": True}
        if voice_activity is None and gate is not None:
            raise ConfigError("gate: says how voice_activity is used, which is not given")
        if voice_activity is None:
            return SpokenStreams(self.streams(size, **options), speakers.streams(size))
        return SpokenStreams(self.gated_streams(size, voice_activity, gate=gate, **options), speakers.streams(size))

    def streams(
        self,
        size: int,
        *,
        look_ahead: int | None = None,
        chunk: int | None = None,
        chunks: int = 1,
        left: int | None = None,
        policy: str | None = None,
        wait: int | None = None,
        tokens: int | None = None,
        hold: int | None = None,
        timestamps: bool = False,
        **slots: Unpack[Slots],
    ) -> Streams:
        """Transcribes up to `size` live recordings with one batched call; each can start and end at any time.

        `stream = streams.open()`, `stream.push(samples)`, and `streams.step()` returns the streams with new hypotheses.
        The last one is what `transcribe` returns for the whole recording with the same limits of attention.

        Args:
          size: maximum number of simultaneous recordings.
          look_ahead: encoder frames of look-ahead, one of those that the model supports; by default the one that
            `transcribe` uses. A step takes chunks x (look_ahead + 1) frames.
          chunk: of a unified model, the frames that a step takes (see `forms.window_streaming`).
          chunks: more chunks in one step cost less, but add latency; 1 for a unified model.
          left, policy, wait, tokens, hold: of a model with an attention decoder: the frames before the chunk that a
            step encodes again, and when a token is written, see `forms.attention_streaming` and
            `search.attention_stream.Rules`. There `chunk` and `look_ahead` are any numbers of frames.
          timestamps: fill words, segments and chars.
          slots: what is asked of a model with prompts, like source_lang="de"; a stream may ask for something else.

        Raises:
          ConfigError: the model cannot stream (the message lists all reasons), or does not support this look-ahead.
        """
        for name in slots:
            if name not in SLOTS:
                raise TypeError(f"streams() got an unexpected keyword argument {name!r}{did_you_mean(name, SLOTS)}")
        given = {"policy": policy, "wait": wait, "tokens": tokens, "hold": hold}
        rules = {name: value for name, value in given.items() if value is not None}
        key = (size, look_ahead, chunk, chunks, left, *given.values())
        known = self._stream_programs.get(key)
        sizes: Any = {"look_ahead": look_ahead, "chunk": chunk, "chunks": chunks, "left": left}
        form = streaming(self.task, rules=rules, **sizes) if known is None else known.form
        asked = {name: value for name, value in slots.items() if value is not None}
        prompts = StreamPrompts(self.assets.get(PROMPT), self.tokenizer, asked, room=form.prompt_tokens)
        if known is None:
            known = self._stream_programs[key] = compile_streams(form, self.variables, size=size)
        return Streams(known, self.variables, self.tokenizer, timestamps=timestamps, prompts=prompts)

    def change_attention(
        self,
        attention: Literal["full", "local", "chunked"],
        *,
        context: tuple[int, int] | tuple[int, int, int] | None = None,
        **global_frames: Any,
    ) -> "Recognizer":
        """Returns the model with full, windowed (local) or chunked attention; see `surgery.attention`."""
        from jaxspeech.surgery import attention as surgery

        return Recognizer(surgery.change_attention(self.archive, attention, context=context, **global_frames))

    def change_vocabulary(self, tokenizer: Tokenizer, *, seed: int = 0) -> "Recognizer":
        """Returns the model with a different tokenizer, to be trained further; see `surgery.vocabulary`."""
        from jaxspeech.surgery import vocabulary as surgery

        return Recognizer(surgery.change_vocabulary(self.archive, tokenizer, seed=seed))

    def change_decoding(
        self,
        *,
        head: str | None = None,
        beam_size: int | None = None,
        max_symbols: int | None = None,
        ctc_weight: float | None = None,
        language: str | None = None,
    ) -> "Recognizer":
        """Returns the model with different search settings; see `surgery.decoding`."""
        from jaxspeech.surgery import decoding as surgery

        options: Any = {"head": head, "beam_size": beam_size, "max_symbols": max_symbols, "ctc_weight": ctc_weight}
        options |= {"language": language}
        return Recognizer(surgery.change_decoding(self.archive, **options))

    def _for_language(self, language: str) -> "Recognizer":
        """Returns the model for a language; each is kept, with its compiled programs."""
        if language not in self._speaking:
            self._speaking[language] = self.change_decoding(language=language)
        self._speaking[language].variables = self.variables
        return self._speaking[language]

    def encoder_only(self) -> EncoderOnly:
        """Returns the frontend and encoder as a function of waveforms."""
        return encoder_only(self.task.model, self.variables, self.config)

    def export_onnx(self, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
        """Writes a folder that onnx-asr and sherpa-onnx load; see `exports.export_onnx`."""
        exports.export_onnx(self.archive, folder, own_features=own_features)

    def export_stablehlo(self, path: str | os.PathLike[str]) -> None:
        """Writes the prediction function as one file that needs only JAX to run; see `exports.export_stablehlo`."""
        exports.export_stablehlo(self.archive, path)
