"""Predicts a recogniser's rows: short recordings in batches, long ones by strategies that are tried in order."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.forms.transcribing import Forms
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.buffered import Buffered
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Audio, Row, Strategy, predicted_rows
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
        self._recognition = forms.transcribing.inference
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
        self, variables: Variables, recordings: Iterable[Recording], wanted: Wanted, outputs: Outputs
    ) -> Iterator[Row[Prediction]]:
        """Yields predictions in the order of the recordings, see `predicted_rows`; no prediction for less than a frame.

        Raises:
          ConfigError: long="local", and the model has no local form.
        """

        def buffered(shape: Shape, audio: Audio, *, tokens: bool = outputs.tokens) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            wished = Outputs(tokens, outputs.log_probs)
            return self._buffered.predict(variables, samples, batch_size=wanted.batch_size, outputs=wished)

        def segments(shape: Shape, audio: Audio) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            found, how = self._segmented.predict(
                variables, samples, wanted.voice_activity, batch_size=wanted.batch_size
            )
            if outputs.log_probs:  # of all frames, also those between the segments
                whole, _ = buffered(shape, audio, tokens=False)
                found = found._replace(log_probs=whole.log_probs, num_frames=whole.num_frames)
            return found, how

        known = {
            "full": Strategy(partial(self._full.start, variables, **outputs._asdict())),
            "buffered": Strategy(buffered, alone=True),
            "segments": Strategy(segments, alone=True),
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
        return predicted_rows(
            recordings,
            [known["full"]],
            wanted,
            sample_rate=self._recognition.sample_rate,
            shortest=self._recognition.frame_seconds * self._recognition.sample_rate,
            long=[known[name] for name in order if name in known],
            shapes=self._shapes[outputs],
        )
