"""Transcribes live audio with a recogniser: its doors `stream` and `streams`, and those with a gate or speakers."""

import json
from collections.abc import Mapping
from typing import Any, Unpack, overload

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.forms.streaming import streaming
from jaxspeech.forms.streaming_form import Streaming
from jaxspeech.inference.end_pointing import check_end_silence
from jaxspeech.inference.fusing import StreamFusing
from jaxspeech.inference.gated_stream import GatedStream, GatedStreams
from jaxspeech.inference.options import Slots, StreamOptions
from jaxspeech.inference.programs import shapes_of
from jaxspeech.inference.spoken_stream import SpokenStream, SpokenStreams
from jaxspeech.inference.stream_prompts import StreamPrompts
from jaxspeech.inference.streaming import Stream, StreamPrograms, Streams, compile_streams
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.fused_models import FusedModels
from jaxspeech.pipelines.live_activity import live_activity
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.search.fusion import FUSION
from jaxspeech.search.neural import NeuralModel
from jaxspeech.tasks.attention_model import AttentionModel
from jaxspeech.tasks.internal_language_model import internal_language_model
from jaxspeech.text.prompt import PROMPT
from jaxspeech.text.prompt_slots import SLOTS
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import marks_of
from jaxspeech.types import Variables


class LiveRecognizer(Pipeline):
    """A recognition model that is fed with live audio.

    Attributes:
      tokenizer: text to ids and back; one of the assets.
    """

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        super().__init__(archive, dtype=dtype)
        self.tokenizer: Tokenizer = self.assets["tokenizer"]
        attention = isinstance(self.model, AttentionModel)
        self._fused = FusedModels(self.tokenizer, attention=attention, internal=self._internal_language_model)
        self._stream_forms: dict[tuple[Any, ...], Streaming] = {}
        self._stream_programs: dict[tuple[Any, ...], StreamPrograms] = {}

    def _internal_language_model(self) -> NeuralModel:
        key = json.dumps(self.config, sort_keys=True, default=str)
        return internal_language_model(self.model, self.variables, key=key)

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
          options: see `streams`: look_ahead, chunk, chunks, left, policy, wait, tokens, hold, timestamps, boost,
            boost_weight, language_model, lm_weight, end_silence, slots.
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
        if options.get("end_silence") is not None:
            raise ConfigError(
                "end_silence: voice_activity divides the audio into utterances already; leave one of both out"
            )
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
        boost: Any = None,
        boost_weight: float | None = None,
        language_model: Any = None,
        lm_weight: float | None = None,
        end_silence: float | None = None,
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
          boost, boost_weight, language_model, lm_weight: what the search takes in, see
            `inference.options.FusionOptions`. A stream may have phrases of its own (`streams.open(boost=...)`) if any
            of these is given; boost=[] for none in all others.
          end_silence: divide transcripts into utterances, which hypotheses then have as `utterances`: one ends once no
            token was found for so many seconds. Those of a model with tokens for the ends of utterances (<EOU>) are
            always divided after these.
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
        sizes: Any = {"look_ahead": look_ahead, "chunk": chunk, "chunks": chunks, "left": left}
        if key not in self._stream_forms:
            self._stream_forms[key] = streaming(self.task, rules=rules, **sizes)
        form = self._stream_forms[key]
        asked = {name: value for name, value in slots.items() if value is not None}
        prompts = StreamPrompts(self.assets.get(PROMPT), self.tokenizer, asked, room=form.prompt_tokens)
        fusing, fused = None, (boost, boost_weight, language_model, lm_weight)
        if any(option is not None for option in fused):
            if isinstance(self.model, AttentionModel):
                raise ConfigError("boost, language_model: the live search of an attention decoder takes neither")
            fusing = StreamFusing(self._fused.fusing(*fused), size)

        def compiled(variables: Variables) -> StreamPrograms:
            place = *key, shapes_of(variables.get(FUSION))
            if place not in self._stream_programs:
                self._stream_programs[place] = compile_streams(form, variables, size=size)
            return self._stream_programs[place]

        check_end_silence(end_silence)
        marked = bool(marks_of(self.tokenizer))
        variables = self.variables if fusing is None else fusing.variables(self.variables)
        options: Any = {"timestamps": timestamps, "prompts": prompts, "fusing": fusing, "compile": compiled}
        options |= {"end_pointing": marked or end_silence is not None, "end_silence": end_silence}
        return Streams(compiled(variables), self.variables, self.tokenizer, **options)
