"""Transcribes audio: load a model, transcribe anything.

    asr = load("model.jaxspeech")
    for hypothesis in asr.transcribe_iter(["a.wav", "folder", samples]): ...

recordings -> rows of tokens (inference/rows.py; long recordings: inference/long.py) -> text and times
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, Unpack

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError
from jaxspeech.forms.encoder import EncoderOnly, encoder_only
from jaxspeech.forms.search import with_search
from jaxspeech.forms.transcribing import transcribing_forms
from jaxspeech.inference.aligner import Aligner
from jaxspeech.inference.attributed import attributed, kept
from jaxspeech.inference.hypothesis import Hypothesis, hypotheses
from jaxspeech.inference.inputs import Recording, find_recordings, find_recordings_with_text
from jaxspeech.inference.long import LongAudio
from jaxspeech.inference.options import (
    SPEAKER_NUMBERS,
    AlignOptions,
    TranscribeOptions,
    Wanted,
    wanted,
)
from jaxspeech.inference.prompted import language_to_align, prompted_rows
from jaxspeech.inference.rescoring import rescored_rows
from jaxspeech.inference.rows import Row
from jaxspeech.inference.second_model import retimed
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.live_recognizer import LiveRecognizer
from jaxspeech.pipelines.rescorers import Rescorers
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs
from jaxspeech.text.language_names import SLOT
from jaxspeech.text.prompt import PROMPT
from jaxspeech.text.tokenizer import Tokenizer


class Recognizer(LiveRecognizer):
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
        search: Mapping[str, Any] | None = None,
    ):
        """Puts the model on the device; `config` and `variables` are in the form in which it runs fastest.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          head, beam_size, language, search: options of the search, see `load`; None: as in the configuration.

        Raises:
          ConfigError: it is not a recognition model, or has no such search.
        """
        options: Any = {"head": head, "beam_size": beam_size, "language": language, "search": search}
        if any(option is not None for option in options.values()):
            archive = archive._replace(model=with_search(archive.model, **options))
        super().__init__(archive, dtype=dtype)
        forms = transcribing_forms(self.config, self.task)
        self._long = LongAudio(forms, self.tokenizer, self.assets.get(PROMPT))
        self._aligner = Aligner(self.task.inference, self.tokenizer)
        self._rescorers = Rescorers(self.tokenizer)
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
            channel, long, voice_activity, on_error, language, enhance, guard, speakers, num_speakers, min_speakers,
            max_speakers, boost, boost_weight, language_model, lm_weight, alternatives, rescore, rescore_weight,
            length_reward, and the slots of prompts.

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
        rescoring = self._rescorers.rescoring(asked)
        outputs = Outputs(log_probs=asked.return_log_probs, alternatives=self._num_alternatives(asked))
        tokenizer = self.tokenizer
        of_model: Any = {"prompt": self.assets.get(PROMPT), "tokenizer": tokenizer}
        aligns = second is not None or recognition.log_probs is not None
        fusing = self._fused.fusing(asked.boost, asked.boost_weight, asked.language_model, asked.lm_weight)
        recordings = map(fusing.given, find_recordings(inputs))
        known = {"recognition": recognition, "aligns": aligns, "fusing": fusing}
        rows = prompted_rows(self._long, self.variables, recordings, asked, outputs, **of_model, **known)
        rows = rows if rescoring is None else rescored_rows(rows, rescoring)
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

    def _num_alternatives(self, wanted: Wanted) -> int:
        """How many alternatives the search is to return."""
        if not wanted.alternatives and wanted.rescore is None:
            return 0
        recognition, name = self.task.inference, "alternatives" if wanted.alternatives else "rescore"
        if recognition.decode_best is None:
            raise ConfigError(f"{name}: the search of this model finds one text; load it with beam_size=8, for example")
        if recognition.attends and wanted.timestamps:
            raise ConfigError(f"{name}: the alternatives of an attention decoder have no times; leave out timestamps")
        beam_size = self.config["search"]["beam_size"]
        if wanted.alternatives > beam_size:
            raise ConfigError(f"alternatives is {wanted.alternatives}, and beam_size only {beam_size}")
        return wanted.alternatives or beam_size

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
          language: of the texts, for a multilingual tokenizer or a model with a language prompt; a manifest's "lang"
            takes precedence.
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
        outputs, recognition = Outputs(tokens=False, log_probs=True), self.task.inference
        if recognition.prompted and not recognition.attends:  # the head sees the language too
            asked = wanted._replace(slots={} if language is None else {SLOT: language})
            known: Any = {"recognition": recognition, "prompt": self.assets.get(PROMPT), "tokenizer": self.tokenizer}
            rows = prompted_rows(self._long, self.variables, recordings, asked, outputs, **known)
        else:
            rows = self._long.rows(self.variables, recordings, wanted, outputs)
        return self._aligner.align(rows, wanted, language=language, pin=pin)

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

    def change_adapters(self, *names: str) -> "Recognizer":
        """Returns the model with these of its adapters applied, and no others; see `surgery.adapters`."""
        from jaxspeech.surgery import adapters as surgery

        return Recognizer(surgery.change_adapters(self.archive, names))

    def change_vocabulary(self, tokenizer: Tokenizer, *, seed: int = 0) -> "Recognizer":
        """Returns the model with a different tokenizer, to be trained further; see `surgery.vocabulary`."""
        from jaxspeech.surgery import vocabulary as surgery

        return Recognizer(surgery.change_vocabulary(self.archive, tokenizer, seed=seed))

    def change_depth(self, num_layers: int) -> "Recognizer":
        """Returns the model with the first layers of its encoder alone, and the CTC head; see `surgery.depth`."""
        from jaxspeech.surgery import depth as surgery

        return Recognizer(surgery.change_depth(self.archive, num_layers))

    def change_decoding(
        self,
        *,
        head: str | None = None,
        beam_size: int | None = None,
        max_symbols: int | None = None,
        length_bonus: float | None = None,
        ctc_weight: float | None = None,
        language: str | None = None,
    ) -> "Recognizer":
        """Returns the model with different search settings; see `surgery.decoding`."""
        from jaxspeech.surgery import decoding as surgery

        options: Any = {"head": head, "beam_size": beam_size, "max_symbols": max_symbols, "ctc_weight": ctc_weight}
        options |= {"length_bonus": length_bonus, "language": language}
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
