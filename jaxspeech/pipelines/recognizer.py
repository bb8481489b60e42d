"""Audio to text: load a model, transcribe anything.

    asr = load("model.jaxspeech")
    for hypothesis in asr.transcribe_iter(["a.wav", "folder", samples]): ...

read ahead (threads) -> batches of similar length -> one compiled program for each shape -> tokens -> text and times
"""

import functools
import os
import warnings
from collections.abc import Iterator
from typing import Any, Literal, get_args

import jax
from tqdm import tqdm

from jaxspeech.archive import Archive, save_archive
from jaxspeech.audio.convert import Channel
from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.forms.encoder import EncoderOnly, encoder_only
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.streaming import streaming
from jaxspeech.inference.aligner import Aligner
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import find_recordings_with_text, read_recording
from jaxspeech.inference.streaming import Stream, StreamPrograms, Streams, compile_streams
from jaxspeech.inference.transcription import Long, Transcriber, Wanted
from jaxspeech.interop.nemo import save_nemo
from jaxspeech.interop.onnx import export_onnx
from jaxspeech.interop.stablehlo import export_stablehlo
from jaxspeech.runtime.compilation_cache import enable_compilation_cache
from jaxspeech.surgery.attention import change_attention, local_form, without_padding_statistics
from jaxspeech.surgery.decoding import change_decoding
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.text.tokenizer import Tokenizer


class Recognizer:
    """A model and its tokenizer.

    Attributes:
      task: the pure functions of the model (see `tasks.Task`).
      model: the Flax module.
      variables: nested dicts of arrays on the device; may be replaced by others of the same shapes.
      config: what `build` takes to make the task.
      assets: what the model owns beside its weights.
      tokenizer: text to ids and back; one of the assets.
      metadata: what the model file says beside the model.
    """

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device, in its fastest form: `config` and `variables` keep that form.

        Args:
          archive: a model file's content.
          dtype: of the matrix products; None is the configuration's.
        """
        enable_compilation_cache()
        self.config, variables = for_inference(archive.model, archive.variables, dtype=dtype)
        self.task = build(self.config)
        self.model = self.task.model
        self.variables = jax.device_put(variables)
        self.tokenizer = archive.assets["tokenizer"]
        self.assets = archive.assets
        self.metadata = archive.metadata
        self._stream_programs: dict[tuple[Any, ...], StreamPrograms] = {}
        transcribing = without_padding_statistics(self.archive)
        self._transcribing_task, self._local_form = build(transcribing.model), local_form(transcribing)
        self._transcriber = Transcriber(self._transcribing_task, self.tokenizer, local=self._local_form)

    @property
    def archive(self) -> Archive:
        """The model as `save` writes it."""
        return Archive(self.config, self.assets, self.variables, self.metadata)

    def change_attention(
        self, attention: Literal["full", "local"], *, context: tuple[int, int] | None = None, **global_frames: Any
    ) -> "Recognizer":
        """The same model with its frames attending to all, or to a window; see `surgery.attention`."""
        return Recognizer(change_attention(self.archive, attention, context=context, **global_frames))

    def change_vocabulary(self, tokenizer: Tokenizer, *, seed: int = 0) -> "Recognizer":
        """The same model with another tokenizer, to be trained further; see `surgery.vocabulary`."""
        return Recognizer(change_vocabulary(self.archive, tokenizer, seed=seed))

    def change_decoding(
        self, *, head: str | None = None, beam_size: int | None = None, max_symbols: int | None = None
    ) -> "Recognizer":
        """The same model with another search; see `surgery.decoding`."""
        return Recognizer(change_decoding(self.archive, head=head, beam_size=beam_size, max_symbols=max_symbols))

    def encoder_only(self) -> EncoderOnly:
        """Its frontend and encoder, as a function of waveforms."""
        return encoder_only(self.task.model, self.variables, self.config)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an archive that `load` reads.

        Raises:
          ArchiveError: it cannot be written.
        """
        variables = jax.device_get(self.variables)
        save_archive(path, **self.archive._replace(variables=variables)._asdict())

    def export_nemo(self, path: str | os.PathLike[str]) -> None:
        """Writes a .nemo file, which NVIDIA NeMo restores and which gives the same transcripts there.

        What NeMo does otherwise with such a model comes as a warning.

        Raises:
          ArchiveError: it cannot be written, or NeMo has no such model: with all that is in the way.
        """
        for remark in save_nemo(path, **self.archive._asdict()):
            warnings.warn(remark, stacklevel=2)

    def export_onnx(self, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
        """Writes a folder that the runtimes onnx-asr and sherpa-onnx load (extra `onnx`); see docs/export.md.

        Args:
          folder: is made; it must not hold anything yet.
          own_features: write it too if its features are not those that the runtimes compute.

        Raises:
          ConfigError: the extra is not installed, or the runtimes have no place for something in this model.
          ArchiveError: it cannot be written.
        """
        export_onnx(self.archive, folder, own_features=own_features)

    def export_stablehlo(self, path: str | os.PathLike[str]) -> None:
        """Writes the prediction as one file, weights and all, that JAX alone runs (extra `stablehlo`); docs/export.md.

        Raises:
          ConfigError: the extra is not installed, or the model cannot be exported for every length.
          ArchiveError: it cannot be written.
        """
        export_stablehlo(self._transcribing_task, self.variables, path)

    def transcribe(
        self,
        inputs: Any,
        *,
        batch_size: int = 16,
        timestamps: bool = False,
        return_log_probs: bool = False,
        sample_rate: int | None = None,
        channel: Channel = "mean",
        long: Long = "auto",
        voice_activity: VoiceActivity = ENERGY_DETECTOR,
        on_error: Literal["raise", "skip"] = "raise",
        progress: bool = False,
    ) -> list[Hypothesis]:
        """Transcripts of all inputs, in their order. A transcript does not depend on what is transcribed with it.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          batch_size: most recordings on the device at once; those longer than 40 s go in smaller batches.
          timestamps: fill words, segments and chars.
          return_log_probs: fill log_probs.
          sample_rate: of the arrays, in Hz; the model's by default. Files say theirs.
          channel: "mean" of several channels, or the number of one.
          long: how recordings of more than 40 s are done: all frames attend to all ("full"), to a window ("local"), or
            overlapping parts are encoded for themselves ("buffered"); "auto" is the first of these that the memory
            holds. "segments" cuts them at silences into segments of at most 30 s, each transcribed for itself. What
            it was stands in the hypothesis's `note`.
          voice_activity: what finds the speech between the silences, (samples, rate) -> [(start, end), ...].
          on_error: "raise" at the first recording that cannot be transcribed, or "skip": its hypothesis has no
            text and says why in `error`.
          progress: show a bar.

        Raises:
          SpeechError: one line about an input or an option.
        """
        found = self.transcribe_iter(
            inputs,
            batch_size=batch_size,
            timestamps=timestamps,
            return_log_probs=return_log_probs,
            sample_rate=sample_rate,
            channel=channel,
            long=long,
            voice_activity=voice_activity,
            on_error=on_error,
        )
        total = len(inputs) if isinstance(inputs, list | tuple) else None
        return list(tqdm(found, total=total, unit="file", disable=not progress, dynamic_ncols=True))

    def transcribe_iter(
        self,
        inputs: Any,
        *,
        batch_size: int = 16,
        timestamps: bool = False,
        return_log_probs: bool = False,
        sample_rate: int | None = None,
        channel: Channel = "mean",
        long: Long = "auto",
        voice_activity: VoiceActivity = ENERGY_DETECTOR,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Hypothesis]:
        """As `transcribe`, giving each transcript as soon as it and those before it are there.

        Memory is bounded however many inputs there are; they may come from a generator without an end.
        """
        self._check(batch_size, long, on_error)
        if return_log_probs and self.task.inference.log_probs is None:
            raise ConfigError("return_log_probs: this model has no log-probabilities for each frame")
        if return_log_probs and long == "segments":
            raise ConfigError('return_log_probs: long="segments" leaves frames out; use another form')
        wanted = Wanted(batch_size, timestamps, return_log_probs, long, voice_activity)
        read = self._reader(sample_rate, channel)
        return self._transcriber.transcribe(self.variables, inputs, read, wanted, on_error=on_error)

    def align(
        self,
        inputs: Any,
        text: str | None = None,
        *,
        language: str | None = None,
        batch_size: int = 16,
        return_log_probs: bool = False,
        sample_rate: int | None = None,
        channel: Channel = "mean",
        long: Long = "auto",
        on_error: Literal["raise", "skip"] = "raise",
        progress: bool = False,
    ) -> list[Hypothesis]:
        """When each word, segment and token of a given text was said, for models with a CTC head.

            asr.align("talk.wav", open("talk.txt").read())[0].words[0].start
            asr.align([("a.wav", "what is said"), (samples, "and here")])
            asr.align("list.jsonl")

        The words stay as they are written; for the alignment they are spelled as the tokenizer can (see
        `text.spelling`). A word that it cannot spell is placed on what lies between its neighbours, and `note` names
        it. Each line of the text is a segment; of a text of one line each sentence is, and what a long pause parts.

        Args:
          inputs: one recording, with `text`; or a manifest with texts, or an iterable of pairs (recording, text).
          text: what is said in the one recording.
          language: of the texts, for a tokenizer of several languages; a manifest's "lang" comes before it.
          batch_size, return_log_probs, sample_rate, channel, long, on_error, progress: as in `transcribe`.

        Returns:
          The hypotheses in the order of the inputs: the given text, its tokens, the score and confidence of its path.

        Raises:
          SpeechError: one line about an input or an option; also where a text is too long for its audio.
        """
        found = self.align_iter(
            inputs,
            text,
            language=language,
            batch_size=batch_size,
            return_log_probs=return_log_probs,
            sample_rate=sample_rate,
            channel=channel,
            long=long,
            on_error=on_error,
        )
        total = len(inputs) if isinstance(inputs, list) else None
        return list(tqdm(found, total=total, unit="file", disable=not progress, dynamic_ncols=True))

    def align_iter(
        self,
        inputs: Any,
        text: str | None = None,
        *,
        language: str | None = None,
        batch_size: int = 16,
        return_log_probs: bool = False,
        sample_rate: int | None = None,
        channel: Channel = "mean",
        long: Long = "auto",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Hypothesis]:
        """As `align`, giving each hypothesis as soon as it and those before it are there."""
        self._check(batch_size, long, on_error)
        if self.task.inference.log_probs is None:
            raise ConfigError("align: this model has no CTC head, and so no log-probabilities for each frame")
        if long == "segments":
            raise ConfigError('align: long="segments" would need a text for each segment; use another form')
        recordings = find_recordings_with_text(inputs, text)
        wanted = Wanted(batch_size, True, return_log_probs, long)
        read = self._reader(sample_rate, channel)
        return self._aligner.align(self.variables, recordings, read, wanted, language=language, on_error=on_error)

    def stream(
        self,
        *,
        look_ahead: int | None = None,
        chunks: int = 1,
        sample_rate: int | None = None,
        timestamps: bool = False,
        name: str = "stream",
    ) -> Stream:
        """Live audio: `stream.feed(samples)` gives the hypothesis so far as often as it grows, `finish()` the last one.

        What comes out is what `transcribe` gives for the whole recording, attention limited as here.

        Args:
          look_ahead: frames of the encoder that are awaited, one of those the model was made for; by default the
            one that it transcribes with. A step takes chunks x (look_ahead + 1) frames.
          chunks: more in one step cost less, and come later.
          sample_rate: of the samples, in Hz; the model's by default.
          timestamps: fill words, segments and chars.
          name: what hypotheses and errors call it.

        Raises:
          ConfigError: the model cannot stream, with all that is in the way; or has another look-ahead.
        """
        streams = self.streams(1, look_ahead=look_ahead, chunks=chunks, timestamps=timestamps)
        return streams.open(name, sample_rate=sample_rate)

    def streams(
        self, size: int, *, look_ahead: int | None = None, chunks: int = 1, timestamps: bool = False
    ) -> Streams:
        """Up to `size` live recordings, which come and go, one batched call for all of them; arguments as of `stream`.

        `opened = streams.open()`, `opened.push(samples)`, and `streams.step()` gives those with a new hypothesis.
        """
        key = (size, look_ahead, chunks)
        if key not in self._stream_programs:
            form = streaming(self.task, look_ahead=look_ahead, chunks=chunks)
            self._stream_programs[key] = compile_streams(form, self.variables, size=size)
        return Streams(self._stream_programs[key], self.variables, self.tokenizer, timestamps=timestamps)

    @functools.cached_property
    def _aligner(self) -> Aligner:
        return Aligner(self._transcribing_task, self.tokenizer, local=self._local_form)

    def _reader(self, sample_rate: int | None, channel: Channel) -> Any:
        return functools.partial(
            read_recording, sample_rate=self.task.inference.sample_rate, array_rate=sample_rate, channel=channel
        )

    def _check(self, batch_size: int, long: str, on_error: str) -> None:
        """Refuses options that no method takes."""
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error is {on_error!r}; it can be raise or skip")
        if long not in get_args(Long):
            raise ConfigError(f"long {long!r}{did_you_mean(str(long), get_args(Long))}")
        if long == "local" and not self._transcriber.has_local_form:
            raise ConfigError('long="local": this model has no local form; "buffered" does without one')
