"""Predicts a recogniser's rows: short recordings in batches, long ones by strategies that are tried in order."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.forms.transcribing import Forms
from jaxspeech.inference.asking import Asking, Ids
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.buffered import Buffered
from jaxspeech.inference.decoding_again import DecodingAgain
from jaxspeech.inference.guard import MOST_REPEATS
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Audio, Row, Strategy, nothing_beside, predicted_rows
from jaxspeech.inference.segmented import Segmented
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.prediction import Outputs, Prediction, predict
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

# The option `long` -> the strategies for long recordings; for a model without a local form, "local" is left out.
ORDER = {
    "auto": ("full", "local", "buffered"),
    "full": ("full",),
    "local": ("local",),
    "buffered": ("buffered",),
    "segments": ("segments",),
}


class LongAudio:
    """The strategies of one model, each with its compiled programs.

    Args:
      forms: the model's forms.
      tokenizer: the model's tokenizer.
    """

    def __init__(self, forms: Forms, tokenizer: Tokenizer):
        self._recognition, self._tokenizer = forms.transcribing.inference, tokenizer
        known: Any = {"name": "transcribe", "outputs": (Prediction, Tokens)}
        self._full = Programs(
            forms.transcribing, partial(predict, self._recognition), config=forms.transcribing_config, **known
        )
        self._local = None
        if forms.local is not None:
            predict_local = partial(predict, forms.local.inference)
            self._local = Programs(
                forms.local, predict_local, config=forms.local_config, how="by local attention", **known
            )
        self._shapes: defaultdict[Outputs, ShapeChoice] = defaultdict(
            lambda: ShapeChoice(self._recognition.sample_rate)
        )
        self._buffered = Buffered(self._recognition)
        self._segmented = Segmented(self._recognition, tokenizer, self._full)

    def rows(
        self,
        variables: Variables,
        recordings: Iterable[Recording],
        wanted: Wanted,
        outputs: Outputs,
        *,
        asking: Asking | None = None,
    ) -> Iterator[Row[Prediction]]:
        """Yields predictions in the order of the recordings, see `predicted_rows`; no prediction for less than a frame.

        Args:
          variables, recordings, wanted, outputs: of the model and the call.
          asking: what is asked of a model with prompts besides them.

        Raises:
          ConfigError: long="local", and the model has no local form.
        """

        def buffered(shape: Shape, audio: Audio, *, tokens: bool = outputs.tokens) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            wished = Outputs(tokens, outputs.log_probs)
            return self._buffered.predict(variables, samples, batch_size=wanted.batch_size, outputs=wished)

        def again(asking: Asking | None) -> DecodingAgain | None:
            if asking is None or asking.most_repeats is None:
                return None
            of_model: Any = {"tokenizer": self._tokenizer, "sample_rate": self._recognition.sample_rate}
            return DecodingAgain(self._full, variables, asking=asking, batch_size=wanted.batch_size, **of_model)

        # Recordings that are cut are guarded unless the call says no, others only if it says yes.
        of_segments, of_whole = (
            asking and replace(asking, most_repeats=MOST_REPEATS if on else None)
            for on in (wanted.guard is not False, wanted.guard is True)
        )

        def segments(shape: Shape, audio: Audio, prompt: Ids) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            asked: Any = {"asking": of_segments, "prompt": prompt, "again": again(of_segments)}
            options = {"batch_size": wanted.batch_size, **asked}
            found, how = self._segmented.predict(variables, samples, wanted.voice_activity, **options)
            if outputs.log_probs:  # of all frames, also those between the segments
                whole, _ = buffered(shape, audio, tokens=False)
                found = found._replace(log_probs=whole.log_probs, num_frames=whole.num_frames)
            return found, how

        def prompts(recordings: Sequence[Recording], rows: int) -> tuple[Ids]:
            del rows
            return (recordings[0].prompt,)

        beside = nothing_beside if of_whole is None else of_whole.beside
        known = {
            "full": Strategy(partial(self._full.start, variables, **outputs._asdict()), beside=beside),
            "buffered": Strategy(buffered, alone=True),
            "segments": Strategy(segments, alone=True, beside=prompts),
        }
        if self._local is not None:
            known["local"] = Strategy(partial(self._local.start, variables, **outputs._asdict()))
        elif wanted.long == "local":
            raise ConfigError('long="local": this model has no local form; use long="buffered"')
        order = ORDER[wanted.long]
        if self._recognition.prompted:
            if wanted.long not in ("auto", "segments"):
                raise ConfigError(f'long="{wanted.long}": a model with an attention decoder takes long="segments"')
            # Such a model is trained on recordings of up to 40 s. Without tokens, only the encoder runs.
            order = ORDER["segments" if outputs.tokens else "buffered"]
        rows = predicted_rows(
            recordings,
            [known["full"]],
            wanted,
            sample_rate=self._recognition.sample_rate,
            shortest=self._recognition.frame_seconds * self._recognition.sample_rate,
            long=[known[name] for name in order if name in known],
            shapes=self._shapes[outputs],
        )
        guard = again(of_whole)
        return rows if guard is None else guard.rows(rows)
