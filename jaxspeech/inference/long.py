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
from jaxspeech.inference.rows import Audio, Beside, Row, Strategy, nothing_beside, predicted_rows
from jaxspeech.inference.segmented import Segmented
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.inference.timed_programs import TimedPrograms
from jaxspeech.runtime.kept_function import of_this_package
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.prediction import Outputs, Prediction, predict
from jaxspeech.text.prompt import PromptFormat
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
      prompt: the model's format of prompts, if it has one.
    """

    def __init__(self, forms: Forms, tokenizer: Tokenizer, prompt: PromptFormat | None = None):
        self._recognition = forms.transcribing.inference
        known: Any = {"name": "transcribe", "outputs": (Prediction, Tokens)}
        self._full = Programs(
            forms.transcribing, partial(predict, self._recognition), config=forms.transcribing_config, **known
        )
        self._timed = None
        if self._recognition.prompts is not None:
            config = forms.transcribing_config if of_this_package(forms.transcribing.model) else {}
            self._timed = TimedPrograms(self._full.start, self._recognition, tokenizer, prompt, config)
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
        self._segmented = Segmented(self._recognition, tokenizer)

    def rows(
        self,
        variables: Variables,
        recordings: Iterable[Recording],
        wanted: Wanted,
        outputs: Outputs,
        *,
        beside: Beside = nothing_beside,
    ) -> Iterator[Row[Prediction]]:
        """Yields predictions in the order of the recordings, see `predicted_rows`; no prediction for less than a frame.

        Args:
          variables, recordings, wanted, outputs: of the model and the call.
          beside: makes what the model takes beside the audio.

        Raises:
          ConfigError: long="local", and the model has no local form.
        """
        full = self._timed if wanted.timestamps and self._timed is not None else self._full

        def buffered(shape: Shape, audio: Audio, *, tokens: bool = outputs.tokens) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            wished = Outputs(tokens, outputs.log_probs)
            return self._buffered.predict(variables, samples, batch_size=wanted.batch_size, outputs=wished)

        def segments(shape: Shape, audio: Audio, *beside: Any) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            start = partial(full.start, variables, **Outputs()._asdict())
            options = {"batch_size": wanted.batch_size, "beside": beside}
            found, how = self._segmented.predict(start, samples, wanted.voice_activity, **options)
            if outputs.log_probs:  # of all frames, also those between the segments
                whole, _ = buffered(shape, audio, tokens=False)
                found = found._replace(log_probs=whole.log_probs, num_frames=whole.num_frames)
            return found, how

        known = {
            "full": Strategy(partial(full.start, variables, **outputs._asdict()), beside=beside),
            "buffered": Strategy(buffered, alone=True),
            "segments": Strategy(segments, alone=True, beside=beside),
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
