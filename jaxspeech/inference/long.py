"""Predicts a recogniser's rows: short recordings in batches, long ones by strategies that are tried in order."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.forms.transcribing import Forms
from jaxspeech.inference.asking import Asking
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.buffered import Buffered
from jaxspeech.inference.chunked import predict_chunks
from jaxspeech.inference.decoding_again import DecodingAgain
from jaxspeech.inference.fusing import Fusing
from jaxspeech.inference.guard import MOST_REPEATS
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.programs import Programs, Starting
from jaxspeech.inference.recognised_parts import PartRecogniser
from jaxspeech.inference.rows import Audio, Row, Strategy, predicted_rows
from jaxspeech.inference.segmented import predict_segments
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.inference.timed_programs import TimedPrograms
from jaxspeech.runtime.kept_function import of_this_package
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.prediction import NBest, Outputs, Prediction, predict
from jaxspeech.text.prompts import Prompts
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
# The same for a model with an attention decoder, which loses its place in recordings longer than those of its training.
PROMPTED_ORDER = {"auto": ("chunks",), "segments": ("segments",)}


class LongAudio:
    """The strategies of one model, each with its compiled programs.

    Args:
      forms: the model's forms.
      tokenizer: the model's tokenizer.
      prompt: the model's format of prompts, if it has one.
    """

    def __init__(self, forms: Forms, tokenizer: Tokenizer, prompt: Prompts | None = None):
        self._recognition, self._tokenizer = forms.transcribing.inference, tokenizer
        known: Any = {"name": "transcribe", "outputs": (Prediction, Tokens, NBest)}
        self._full = Programs(
            forms.transcribing, partial(predict, self._recognition), config=forms.transcribing_config, **known
        )
        self._timed = None
        if self._recognition.attends:
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

    def rows(
        self,
        variables: Variables,
        recordings: Iterable[Recording],
        wanted: Wanted,
        outputs: Outputs,
        *,
        asking: Asking | None = None,
        fusing: Fusing | None = None,
    ) -> Iterator[Row[Prediction]]:
        """Yields predictions in the order of the recordings, see `predicted_rows`; no prediction for less than a frame.

        Args:
          variables, recordings, wanted, outputs: of the model and the call.
          asking: what is asked of a model with prompts besides them.
          fusing: the language model and phrases that the search takes in.

        Raises:
          ConfigError: long="local", and the model has no local form.
        """
        full = self._timed if wanted.timestamps and self._timed is not None else self._full

        def fused(recordings: Sequence[Recording], rows: int) -> Variables:
            return variables if fusing is None else fusing.variables(variables, recordings, rows)

        def buffered(
            shape: Shape, audio: Audio, variables: Variables, *asked: Asked, tokens: bool = outputs.tokens
        ) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            wished = Outputs(tokens, outputs.log_probs)
            return self._buffered.predict(variables, samples, *asked, batch_size=wanted.batch_size, outputs=wished)

        def again(asking: Asking | None) -> DecodingAgain | None:
            if asking is None or asking.most_repeats is None:
                return None
            of_model: Any = {"tokenizer": self._tokenizer, "sample_rate": self._recognition.sample_rate}
            return DecodingAgain(full, fused, asking=asking, batch_size=wanted.batch_size, **of_model)

        # Recordings that are cut are guarded unless the call says no, others only if it says yes.
        of_segments, of_whole = (
            asking and replace(asking, most_repeats=MOST_REPEATS if on and self._recognition.attends else None)
            for on in (wanted.guard is not False, wanted.guard is True)
        )

        def in_parts(
            predict: Any, shape: Shape, audio: Audio, variables: Variables, recording: Recording
        ) -> tuple[Prediction, str]:
            [samples] = (audio[i] for i in shape.indices)
            asked: Any = {"asking": of_segments, "recording": recording, "again": again(of_segments)}
            recognise = PartRecogniser(self._recognition, full, variables, wanted.batch_size, **asked)
            found, how = predict(recognise, self._tokenizer, samples, wanted.voice_activity)
            if outputs.log_probs:  # of all frames, also those between the segments
                whole, _ = buffered(shape, audio, *of_frames([recording], 1), tokens=False)
                found = found._replace(log_probs=whole.log_probs, num_frames=whole.num_frames)
            return found, how

        def start(programs: Starting, shape: Shape, audio: Audio, variables: Variables, *asked: Asked) -> Any:
            return programs.start(variables, shape, audio, *asked, **outputs._asdict())

        def of_batch(recordings: Sequence[Recording], rows: int) -> tuple[Any, ...]:
            asked = () if of_whole is None else of_whole.beside(recordings, rows)
            return fused(recordings, rows), *asked

        def of_one(recordings: Sequence[Recording], rows: int) -> tuple[Any, ...]:
            return fused(recordings, rows), recordings[0]

        def of_frames(recordings: Sequence[Recording], rows: int) -> tuple[Any, ...]:
            asked = () if self._recognition.attends else of_batch(recordings, rows)[1:]
            return fused(recordings, rows), *asked

        known = {
            "full": Strategy(partial(start, full), beside=of_batch),
            "buffered": Strategy(buffered, alone=True, beside=of_frames),
            "segments": Strategy(partial(in_parts, predict_segments), alone=True, beside=of_one),
            "chunks": Strategy(partial(in_parts, predict_chunks), alone=True, beside=of_one),
        }
        if self._local is not None:
            known["local"] = Strategy(partial(start, self._local), beside=of_frames)
        elif wanted.long == "local":
            raise ConfigError('long="local": this model has no local form; use long="buffered"')
        order = ORDER[wanted.long]
        if self._recognition.attends:
            if wanted.long not in PROMPTED_ORDER:
                raise ConfigError(
                    f'long="{wanted.long}": an attention decoder is trained on short recordings; use "auto" for chunks '
                    'of 30 to 40 s, or "segments" to leave silences out'
                )
            # Without tokens, only the encoder runs.
            order = PROMPTED_ORDER[wanted.long] if outputs.tokens else ORDER["buffered"]
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
