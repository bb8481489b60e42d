"""Speaks texts: load a voice, give it texts of any length.

    voice = load("voice.jaxspeech", Synthesizer)
    voice.speak("Good morning.")[0].samples
    for sentence in voice.speak_iter(text): ...         # as soon as each is done
    for samples in voice.stream(text): ...              # live, in parts of less than a second

texts -> sentences -> symbols -> durations -> mel frames -> samples (inference/speaking.py)
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.speak_options import SpeakOptions, SpeakSettings, speak_settings, speaker_number
from jaxspeech.inference.speak_programs import SpeakPrograms
from jaxspeech.inference.speaking import Done, Piece, speak_pieces, spelt_pieces
from jaxspeech.inference.speech_stream import stream_pieces
from jaxspeech.inference.spoken import Spoken, join_pieces
from jaxspeech.inference.texts import find_texts
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import Speaking, Synthesis
from jaxspeech.text.front_end import FrontEnd


class Synthesizer(Pipeline):
    """A voice; what all pipelines have is documented at `Pipeline`."""

    takes = Speaking

    def __init__(
        self,
        archive: Archive,
        *,
        dtype: str | None = None,
        vocoder: str | os.PathLike[str] | Archive | None = None,
    ):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          vocoder: the file of a vocoder, for a text-to-mel model, or instead of that of a voice.

        Raises:
          ConfigError: it is not a voice, or the vocoder takes other mel frames than the model makes.
          ArchiveError: it has no text front end, or one of another model.
        """
        if vocoder is not None:
            from jaxspeech.surgery.voice import join_files  # which reads files, and so imports all pipelines

            archive = join_files(archive, vocoder, dtype=dtype)
        elif isinstance(build(archive.model).inference, Synthesis):
            raise ConfigError(
                "this model makes mel frames, which a vocoder turns into sound: name one as vocoder=FILE, or "
                "--vocoder=FILE"
            )
        super().__init__(archive, dtype=dtype)
        if "front_end" not in self.assets:
            raise ArchiveError("this voice has no text front end, so that it cannot read texts")
        symbols, known = self.front_end.tokenizer.vocab_size, self.task.inference.synthesis.vocab_size
        if symbols > known:
            raise ArchiveError(f"its text front end has {symbols} symbols, its model knows {known}")
        self._programs = SpeakPrograms(self.task, config=self.config)

    @property
    def sample_rate(self) -> int:
        """Of the samples, in Hz."""
        return self.task.inference.vocoding.sample_rate

    @property
    def front_end(self) -> FrontEnd:
        """What makes symbols of a text; see `text.front_end.FrontEnd`."""
        return self.assets["front_end"]

    @property
    def speakers(self) -> tuple[str, ...]:
        """The names of the speakers, or their numbers where they have no names; () for a voice of one speaker."""
        if "speakers" in self.assets:
            return tuple(self.assets["speakers"].names)
        return tuple(map(str, range(self.task.inference.synthesis.num_speakers)))

    def speak(self, inputs: Any, *, progress: bool = False, **options: Unpack[SpeakOptions]) -> list[Spoken]:
        """Speaks all texts, in order. A result does not depend on the other texts.

        Args:
          inputs: a text (a string), a `Path` of a text file or of a manifest whose lines have a "text", such a line as
            a dict, or an iterable of all these.
          progress: show a bar.
          options: see `SpeakOptions`: speaker, pace, pitch, pause, denoise, style, normalized, batch_size, on_error.

        Raises:
          SpeechError: a text cannot be spoken, or an option is invalid; the message is one line.
        """
        results = self.speak_texts(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def speak_texts(self, inputs: Any, **options: Unpack[SpeakOptions]) -> Iterator[Spoken]:
        """Like `speak`, but yields each text as soon as it and all earlier ones are ready."""
        settings = self._settings(options)
        done = self._speak(inputs, settings, eager=False)
        groups = itertools.groupby(done, key=lambda one: one.piece.number)
        return (self._joined(list(group), settings) for _, group in groups)

    def speak_iter(self, inputs: Any, **options: Unpack[SpeakOptions]) -> Iterator[Spoken]:
        """Like `speak`, but yields each sentence as soon as it and all earlier ones are ready, in bounded memory.

        Results of one text have the same `source`. A long sentence comes in several parts. Results do not contain the
        pause between sentences.
        """
        settings = self._settings(options)
        return (self._joined([done], settings, done.piece.text) for done in self._speak(inputs, settings, eager=True))

    def stream(self, inputs: Any, **options: Unpack[SpeakOptions]) -> Iterator[Float[np.ndarray, " S"]]:
        """Speaks live: yields the next samples as soon as they are ready, parts of less than a second.

        Together they are the samples of `speak`, but for the first sentence, which is cut at its first comma, so that
        the first sound comes soon. With a vocoder that cannot work part by part, each sentence comes as a whole.

        Args:
          inputs: as in `speak`.
          options: as in `speak`; a text that cannot be spoken always raises an error.
        """
        settings = self._settings(options)
        pieces = self._pieces(inputs, settings, first_short=True)
        manner: Any = {"pause": settings.pause, "denoise": settings.denoise}
        return stream_pieces(self._programs, self.variables, pieces, **manner)

    def export_nemo(self, path: str | os.PathLike[str], vocoder: str | os.PathLike[str] | None = None) -> None:
        """Writes the text-to-mel model, and with `vocoder` its vocoder, as the .nemo files in which NeMo has them.

        Args:
          path: of the text-to-mel model.
          vocoder: of the vocoder; None: it is not written.

        Raises:
          ArchiveError: a file cannot be written, or NeMo has no such model; the message lists all reasons.
        """
        from jaxspeech.surgery.voice import split_voice

        speech, other = split_voice(self.archive)
        exports.export_nemo(speech, path)
        if vocoder is not None:
            exports.export_nemo(other, vocoder)

    def _settings(self, options: Any) -> SpeakSettings:
        return speak_settings(options, speakers=self.speakers, synthesis=self.task.inference.synthesis)

    def _speak(self, inputs: Any, settings: SpeakSettings, *, eager: bool) -> Iterator[Done]:
        return speak_pieces(
            self._programs,
            self.variables,
            self._pieces(inputs, settings),
            batch_size=settings.batch_size,
            eager=eager,
            denoise=settings.denoise,
        )

    def _pieces(self, inputs: Any, settings: SpeakSettings, *, first_short: bool = False) -> Iterator[Piece]:
        for number, recording in enumerate(find_texts(inputs)):
            manner, own = settings.manner, recording.fields.get("speaker")
            try:
                if own is not None and self.speakers:
                    manner = manner._replace(speaker=speaker_number(own, self.speakers))
                short = first_short and number == 0
                spelt = spelt_pieces(self.front_end, recording, normalized=settings.normalized, first_short=short)
            except SpeechError as error:
                yield Piece(number, recording, manner, "", None, as_speech_error(error, recording.source))
                continue
            yield from (Piece(number, recording, manner, text, spelling) for text, spelling in spelt)

    def _joined(self, parts: list[Done], settings: SpeakSettings, text: str | None = None) -> Spoken:
        """The result of the pieces of a text, or, with its text, of a single piece."""
        recording = parts[0].piece.recording
        text = (recording.text or "") if text is None else text
        error = next((done.error for done in parts if done.error is not None), None)
        if error is None:
            try:
                return join_pieces(
                    [done.spoken for done in parts if done.spoken is not None],
                    source=recording.source,
                    text=text,
                    sample_rate=self.sample_rate,
                    hop=self.task.inference.vocoding.hop,
                    pause=settings.pause,
                    front_end=self.front_end,
                )
            except SpeechError as raised:
                error = raised
        if settings.on_error == "raise":
            raise error
        return Spoken(recording.source, text, np.zeros(0, np.float32), self.sample_rate, error=str(error))
