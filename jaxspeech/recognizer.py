"""Audio to text: load a model, transcribe anything.

    asr = load("model.jaxspeech")
    for hypothesis in asr.transcribe_iter(["a.wav", "folder", samples]): ...

read ahead (threads) -> batches of similar length -> one compiled program for each shape -> tokens -> text and times
"""

import functools
import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxspeech.archive import Archive, load_archive, save_archive
from jaxspeech.audio.convert import Channel
from jaxspeech.cache import enable_compilation_cache
from jaxspeech.changes import change_attention, change_decoding, change_vocabulary
from jaxspeech.configuration import DTYPES, build
from jaxspeech.errors import ArchiveError, AudioError, ConfigError, SpeechError, did_you_mean
from jaxspeech.hub import download, is_hub_name
from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, find_recordings, read_recording
from jaxspeech.inference.programs import Prediction, Programs
from jaxspeech.inference.read_ahead import Window, read_windows
from jaxspeech.interop.nemo import load_nemo, remarks, save_nemo
from jaxspeech.interop.onnx import export_onnx
from jaxspeech.interop.stablehlo import export_stablehlo
from jaxspeech.search.timestamps import TimedText, segment_times, token_times, word_times
from jaxspeech.tasks.encoder import EncoderOnly, encoder_only
from jaxspeech.tasks.inference import for_inference, with_search
from jaxspeech.text.tokenizer import Tokenizer

# A .nemo file comes in the form for inference, array by array to the device: never two copies of the model.
_load_nemo = functools.partial(load_nemo, stacked=False, place=jax.device_put)
LOADERS = {".jaxspeech": load_archive, ".nemo": _load_nemo}
EXAMPLE_NAME = "nvidia/parakeet-tdt-0.6b-v2"
T = TypeVar("T")


def load(
    path: str | os.PathLike[str], *, dtype: str | None = None, head: str | None = None, beam_size: int | None = None
) -> "Recognizer":
    """A model file, ready to transcribe.

    Args:
      path: a .jaxspeech archive, a .nemo file, or the name of a model on the Hugging Face Hub ("organisation/model").
      dtype: "bfloat16", "float16" or "float32", for the parameters and the matrix products; None is as in the file.
      head: "transducer" or "ctc": which of a hybrid model's heads decides; None is as in the file.
      beam_size: hypotheses of a transducer's search; 1 is the greedy search, None is as in the file.

    Raises:
      ArchiveError: no such file, another kind of file, or a damaged one.
      ConfigError: a model that this version cannot build, an unknown dtype, or a search that the model does not have.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r}{did_you_mean(str(dtype), DTYPES)}")
    if not os.path.exists(path) and is_hub_name(os.fspath(path)):
        path = download(os.fspath(path))
    path = Path(path)
    if path.suffix not in LOADERS:
        raise ArchiveError(f"{path}: expected a .jaxspeech or .nemo file, or a Hub name such as {EXAMPLE_NAME}")
    archive = LOADERS[path.suffix](path, dtype=None if dtype is None else jnp.dtype(DTYPES[dtype]))
    return Recognizer(archive._replace(model=with_search(archive.model, head=head, beam_size=beam_size)), dtype=dtype)


def from_pretrained(
    name: str, *, filename: str | None = None, revision: str | None = None, **options: Any
) -> "Recognizer":
    """A model of the Hugging Face Hub; `load(name)` with a choice of its file and revision.

    Args:
      name: "organisation/model", or one of the names of `list_models`, with or without "nvidia/".
      filename: which of the repository's files; needed where it has several models.
      revision: branch, tag or commit; the main branch by default.
      options: of `load`.

    Raises:
      ArchiveError: it cannot be had; or as `load`.
    """
    return load(download(name, filename=filename, revision=revision), **options)


class Wanted(NamedTuple):
    """What a call of `transcribe` asked for."""

    batch_size: int
    timestamps: bool
    log_probs: bool


class Recognizer:
    """A model and its tokenizer.

    Attributes:
      task: the pure functions of the model (see `tasks.Task`).
      model: the Flax module.
      variables: nested dicts of arrays on the device; may be replaced by others of the same shapes.
      config: what `build` takes to make the task.
      tokenizer: text to ids and back.
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
        self.tokenizer = archive.tokenizer
        self.metadata = archive.metadata
        self._programs = Programs(self.task)

    @property
    def archive(self) -> Archive:
        """The model as `save` writes it."""
        return Archive(self.config, self.tokenizer, self.variables, self.metadata)

    def change_attention(
        self, attention: Literal["full", "local"], *, context: tuple[int, int] | None = None, **global_frames: Any
    ) -> "Recognizer":
        """The same model with its frames attending to all, or to a window; see `changes.change_attention`."""
        return Recognizer(change_attention(self.archive, attention, context=context, **global_frames))

    def change_vocabulary(self, tokenizer: Tokenizer, *, seed: int = 0) -> "Recognizer":
        """The same model with another tokenizer, to be trained further; see `changes.change_vocabulary`."""
        return Recognizer(change_vocabulary(self.archive, tokenizer, seed=seed))

    def change_decoding(
        self, *, head: str | None = None, beam_size: int | None = None, max_symbols: int | None = None
    ) -> "Recognizer":
        """The same model with another search; see `changes.change_decoding`."""
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
        save_archive(path, model=self.config, tokenizer=self.tokenizer, variables=variables, metadata=self.metadata)

    def export_nemo(self, path: str | os.PathLike[str]) -> None:
        """Writes a .nemo file, which NVIDIA NeMo restores and which gives the same transcripts there.

        What NeMo does otherwise with such a model comes as a warning.

        Raises:
          ArchiveError: it cannot be written, or NeMo has no such model: with all that is in the way.
        """
        save_nemo(path, model=self.config, tokenizer=self.tokenizer, variables=self.variables, metadata=self.metadata)
        for remark in remarks(self.config, self.tokenizer.config()):
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
        export_stablehlo(self.task, self.variables, path)

    def transcribe(
        self,
        inputs: Any,
        *,
        batch_size: int = 16,
        timestamps: bool = False,
        return_log_probs: bool = False,
        sample_rate: int | None = None,
        channel: Channel = "mean",
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
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Hypothesis]:
        """As `transcribe`, giving each transcript as soon as it and those before it are there.

        Memory is bounded however many inputs there are; they may come from a generator without an end.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error is {on_error!r}; it can be raise or skip")
        if return_log_probs and self.task.log_probs is None:
            raise ConfigError("return_log_probs: this model has no log-probabilities for each frame")
        wanted = Wanted(batch_size, timestamps, return_log_probs)
        read = functools.partial(
            read_recording, sample_rate=self.task.sample_rate, array_rate=sample_rate, channel=channel
        )

        def results() -> Iterator[Hypothesis]:
            for window in read_windows(find_recordings(inputs), read, sample_rate=self.task.sample_rate):
                found = in_order(self._transcribe_window(window, wanted))
                for (recording, _), result in zip(window, found, strict=True):
                    if isinstance(result, Hypothesis):
                        yield result
                    elif on_error == "raise":
                        raise result
                    else:
                        yield Hypothesis("", 0.0, (), 0.0, 0.0, recording.source, error=str(result))

        return results()

    def _transcribe_window(self, window: Window, wanted: Wanted) -> Iterator[tuple[int, Hypothesis | SpeechError]]:
        """Each recording's place in the window and its result, in whatever order they come."""
        shortest = self.task.frame_seconds * self.task.sample_rate
        audio: dict[int, np.ndarray] = {}
        for i, (_, samples) in enumerate(window):
            if isinstance(samples, SpeechError):
                yield i, samples
            elif len(samples) < shortest:
                yield i, self._hypothesis(*window[i], wanted)
            else:
                audio[i] = samples
        for shape, prediction in self._predict(audio, wanted):
            for row, i in enumerate(shape.indices):
                recording, samples = window[i]
                if isinstance(prediction, AudioError):
                    yield i, AudioError(f"{recording.source}: {prediction}")
                else:
                    yield i, self._hypothesis(recording, samples, wanted, prediction, row)

    def _predict(self, audio: dict[int, np.ndarray], wanted: Wanted) -> Iterator[tuple[Shape, Prediction | AudioError]]:
        """Batches and what the model says of them; the next one is on the device while this one is worked on."""
        lengths = {i: len(samples) for i, samples in audio.items()}
        waiting = deque(plan_batches(lengths, batch_size=wanted.batch_size, sample_rate=self.task.sample_rate))
        running: deque[tuple[Shape, Prediction]] = deque()
        while waiting or running:
            if waiting and len(running) < 2:
                shape = waiting.popleft()
                try:
                    started = self._programs.start(self.variables, shape, audio, log_probs=wanted.log_probs)
                    running.append((shape, started))
                except AudioError as error:
                    if shape.rows == 1:
                        yield shape, error
                    # What does not fit together may fit one by one.
                    waiting.extendleft(Shape((i,), 1, shape.length) for i in shape.indices if shape.rows > 1)
            else:
                shape, prediction = running.popleft()
                yield shape, jax.device_get(prediction)

    def _hypothesis(
        self, recording: Recording, samples: Any, wanted: Wanted, prediction: Prediction | None = None, row: int = 0
    ) -> Hypothesis:
        """The transcript in one row of a prediction; an empty one without a prediction."""
        hypothesis = Hypothesis("", 0.0, (), 0.0, len(samples) / self.task.sample_rate, recording.source)
        if prediction is None:
            spans = () if wanted.timestamps else None
            log_probs = np.zeros((0, self.task.vocab_size + 1), np.float32) if wanted.log_probs else None
            return hypothesis._replace(words=spans, segments=spans, chars=spans, log_probs=log_probs)

        tokens = prediction.tokens
        num_tokens = int(tokens.num_tokens[row])
        ids, confidence = tokens.ids[row, :num_tokens].tolist(), tokens.confidence[row, :num_tokens]
        hypothesis = hypothesis._replace(
            text=self.tokenizer.decode(ids),
            score=float(tokens.score[row]),
            tokens=tuple(ids),
            confidence=float(confidence.mean()) if ids else 0.0,
        )
        if wanted.timestamps:
            times = (tokens.starts[row, :num_tokens], tokens.ends[row, :num_tokens], confidence)
            pieces = [self.tokenizer.pieces[i] for i in ids]
            chars = token_times(pieces, *times, frame_seconds=self.task.frame_seconds)
            words = word_times(self.tokenizer.word_spans(ids), *times, frame_seconds=self.task.frame_seconds)
            spans = [tuple(_later(x, recording.offset) for x in part) for part in (words, segment_times(words), chars)]
            hypothesis = hypothesis._replace(words=spans[0], segments=spans[1], chars=spans[2])
        if prediction.log_probs is not None and prediction.num_frames is not None:
            hypothesis = hypothesis._replace(log_probs=prediction.log_probs[row, : prediction.num_frames[row]].copy())
        return hypothesis


def _later(span: TimedText, seconds: int | float) -> TimedText:
    return span._replace(start=span.start + seconds, end=span.end + seconds)


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Results with their places 0, 1, ..., each as soon as those before it are there."""
    waiting: dict[int, T] = {}
    place = 0
    for i, result in results:
        waiting[i] = result
        while place in waiting:
            yield waiting.pop(place)
            place += 1
