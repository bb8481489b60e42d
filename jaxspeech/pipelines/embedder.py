"""Recognises speakers: load a model, embed, verify, enrol and identify.

    speakers = load("titanet.nemo", Embedder)
    speakers.verify("a.wav", "b.wav").same
    speakers.enrol({"ann": ["ann1.wav", "ann2.wav"], "bob": "bob.wav"})
    speakers.identify("someone.wav")[0].name

recordings -> rows of embeddings (inference/rows.py) -> cosines (inference/voices.py)
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.forms.embedding_head import embedding
from jaxspeech.inference.options import RowOptions
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Row
from jaxspeech.inference.voices import Enrolment, as_norm, unit
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.pipelines.recording_results import RecordingResults
from jaxspeech.tasks.kinds import Embedding

# The cosine from which two recordings are of the same speaker, if a model has none of its own; NeMo's 0.7 of
# (cosine + 1) / 2.
DEFAULT_THRESHOLD = 0.4
# Shorter recordings have too few frames for statistics over time.
SHORTEST_SECONDS = 0.1


class Embedded(NamedTuple):
    """The embedding of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      vector: [E], the model's own, not normalised; empty if there is an error.
      error: with `on_error="skip"`, one line that says why there is none.
      note: one line that says how it was computed, unless all of the recording at once.
    """

    source: str
    duration: float
    vector: Float[np.ndarray, " E"]
    error: str | None = None
    note: str | None = None


class Verified(NamedTuple):
    """Whether two recordings are of the same speaker.

    Attributes:
      score: the cosine of their embeddings, or a normalised score if a cohort was given.
      same: whether it is at least the threshold.
      threshold: the one that was used.
    """

    score: float
    same: bool
    threshold: float


class Identified(NamedTuple):
    """The enrolled speaker whom one recording is of.

    Attributes:
      source, duration: of the recording.
      name: of the speaker with the highest score; None if it is below the threshold.
      top: (name, cosine) of every enrolled speaker, the highest first.
      error: with `on_error="skip"`, one line that says why the recording could not be used.
    """

    source: str
    duration: float
    name: str | None
    top: list[tuple[str, float]]
    error: str | None = None


class Embedder(Pipeline):
    """A model of speakers.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      metadata: `threshold` is one of its entries if it was calibrated.
      enrolment: the speakers that were enrolled; they are not part of the archive.
    """

    takes = Embedding

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not an embedding model.
        """
        super().__init__(archive._replace(model=embedding(archive.model)), dtype=dtype)
        self.enrolment = Enrolment()
        kind = self.task.inference
        self._results = RecordingResults(
            "embed",
            Programs(self.task, kind.embed, name="embed", config=self.config),
            sample_rate=kind.sample_rate,
            make=self._embedded,
            failed=_failed,
            shortest=SHORTEST_SECONDS * kind.sample_rate,
        )

    @property
    def threshold(self) -> float:
        """The cosine from which two recordings are of the same speaker.

        It is the one of `metadata["threshold"]`, else that of equal errors on the run's first evaluation set, else 0.4.
        """
        if isinstance(found := self.metadata.get("threshold"), int | float):
            return float(found)
        scores = self.metadata.get("scores")
        first = next(iter(scores.values()), None) if isinstance(scores, Mapping) else None
        found = first.get("threshold") if isinstance(first, Mapping) else None
        return float(found) if isinstance(found, int | float) else DEFAULT_THRESHOLD

    def export_onnx(self, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
        """Writes a folder with the model in ONNX; see `exports.export_onnx`."""
        exports.export_onnx(self.archive, folder, own_features=own_features)

    def embed(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Embedded]:
        """Embeds all inputs, in order. An embedding does not depend on the other inputs.

        Args:
          inputs, options: recordings, and how they are read; see `RecordingResults.of`.
          progress: show a bar.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.embed_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def embed_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Embedded]:
        """Like `embed`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        return self._results.of(self.variables, inputs, options)

    def verify(
        self, a: Any, b: Any, *, threshold: float | None = None, cohort: Any = None, **options: Unpack[RowOptions]
    ) -> Verified:
        """Decides whether two recordings are of the same speaker.

        Args:
          a, b: one recording each, a path or an array; or the name of an enrolled speaker as ("speaker", name).
          threshold: the lowest score of the same speaker; None: the model's, see `threshold`.
          cohort: recordings of other speakers, or their embeddings [K E]: the score is then normalised by them, and a
            threshold must be given.
          options: as in `embed`.

        Raises:
          SpeechError: a recording cannot be used, or a speaker is not enrolled; the message is one line.
        """
        if cohort is not None and threshold is None:
            raise ConfigError("a normalised score is no cosine: give a threshold with the cohort")
        one, other = self._side(a, options), self._side(b, options)
        score = float(unit(one) @ unit(other))
        if cohort is not None:
            others = cohort if getattr(cohort, "ndim", 0) == 2 else [x.vector for x in self.embed(cohort, **options)]
            score = float(as_norm(np.array([score]), one[None], other[None], np.stack(list(others)))[0])
        limit = self.threshold if threshold is None else threshold
        return Verified(score, score >= limit, limit)

    def enrol(self, people: Mapping[str, Any], **options: Unpack[RowOptions]) -> Enrolment:
        """Enrols speakers by recordings of them; those of a speaker who is enrolled already are added.

        Args:
          people: name -> what `embed` takes.
          options: as in `embed`; a recording with an error is an error of the call.

        Raises:
          SpeechError: a recording cannot be used, or a speaker has none.
        """
        if not isinstance(people, Mapping):
            raise ConfigError('enrol takes the recordings of each speaker by name: {"ann": ["a.wav", "b.wav"]}')
        found = {
            name: [x.vector for x in self.embed(given, **options | {"on_error": "raise"})]
            for name, given in people.items()
        }
        for name, vectors in found.items():
            if not vectors:
                raise ConfigError(f"the speaker {name!r} has no recording to enrol")
        for name, vectors in found.items():
            self.enrolment.add(name, np.stack(vectors))
        return self.enrolment

    def identify(
        self, inputs: Any, *, threshold: float | None = None, **options: Unpack[RowOptions]
    ) -> list[Identified]:
        """Finds the enrolled speaker of each recording.

        Args:
          inputs: as in `embed`.
          threshold: the lowest score of a known speaker; None: the model's, see `threshold`.
          options: as in `embed`.

        Raises:
          SpeechError: nobody is enrolled, or a recording cannot be used.
        """
        names = self.enrolment.names
        if not names:
            raise ConfigError('no speaker is enrolled: call enrol({"ann": ["a.wav", "b.wav"]}) first')
        people = np.stack([self.enrolment.vector(name) for name in names])
        limit = self.threshold if threshold is None else threshold
        results = []
        for found in self.embed_iter(inputs, **options):
            if found.error is not None:
                results.append(Identified(found.source, found.duration, None, [], found.error))
                continue
            scores = people @ unit(found.vector)
            order = np.argsort(-scores, kind="stable")
            top = [(names[i], float(scores[i])) for i in order]
            results.append(Identified(found.source, found.duration, top[0][0] if top[0][1] >= limit else None, top))
        return results

    def _side(self, given: Any, options: Any) -> Float[np.ndarray, " E"]:
        if isinstance(given, tuple) and len(given) == 2 and given[0] == "speaker":
            return self.enrolment.vector(given[1])
        found = self.embed(given, **options | {"on_error": "raise"})
        if len(found) != 1:
            raise AudioError(f"{given}: {len(found)} recordings; a side of a comparison is one")
        return found[0].vector

    def _embedded(self, row: Row[Any]) -> Embedded:
        source, duration = row.recording.source, len(row.samples) / self.task.inference.sample_rate
        if row.prediction is None:
            shortest = f"it takes at least {SHORTEST_SECONDS * 1000:.0f} ms to recognise a speaker"
            raise AudioError(f"{source}: {duration * 1000:.0f} ms of audio; {shortest}")
        return Embedded(source, duration, np.array(row.prediction, np.float32), note=row.note)


def _failed(row: Row[Any], error: SpeechError) -> Embedded:
    return Embedded(row.recording.source, 0.0, np.zeros(0, np.float32), str(error))
