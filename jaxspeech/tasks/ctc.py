"""Speech recognition with CTC: waveform -> features -> SpecAugment -> encoder -> head -> loss or search."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.language_prompt import prompted
from jaxspeech.decoders.lstm_head import LSTMHead
from jaxspeech.encoders.layer_outputs import Layer, LayerOutput
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.acoustic import any_language, shortest_audio
from jaxspeech.tasks.ctc_search import CTCSearch, ctc_search
from jaxspeech.tasks.ctc_trained import Consistency, CTCTrained, InterCTC, ctc_terms, with_inner
from jaxspeech.tasks.parts import LANGUAGE_PROMPT, MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.prompted import prompted_search
from jaxspeech.tasks.recognition import (
    CTC_ADVICE,
    RecognitionTask,
    Utterances,
    ctc_frames_needed,
    label_losses,
    recognition_task,
)
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, RowLosses, Sound, Variables


class CTCModel(CTCTrained, kw_only=True):
    """An encoder with a CTC head."""

    decoder: CTCHead | LSTMHead
    search: CTCSearch = CTCSearch()

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.decoder, LSTMHead) and self.language_prompt is not None:
            raise ConfigError("language_prompt: not with a head that has LSTMs, which would run before it")
        if isinstance(self.decoder, LSTMHead) and self.conditioned_layers:
            raise ConfigError("interctc.conditioned: not with a head that has LSTMs, which see whole recordings")

    def logits(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        language: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Computes unnormalised scores of the tokens and the blank, in the compute dtype."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        return self.decoder(prompted(self.language_prompt, encoded, language)), num_frames

    def encode_features(
        self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"], *beside: Any, train: bool = False
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Encodes feature frames; the LSTMs of a head that has some, which see whole rows, are run over the result."""
        encoded, num_frames = super().encode_features(features, num_frames, *beside, train=train)
        return self.head_states(encoded, num_frames), num_frames

    def encode_features_layers(
        self,
        features: Float[Any, "B T F"],
        num_frames: Int[Any, " B"],
        layers: Sequence[Layer],
        *beside: Any,
        train: bool = False,
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"], list[LayerOutput]]:
        """Encodes feature frames, as `encode_features`; the layers' outputs pass the LSTMs too."""
        inputs = features, num_frames, layers, *beside
        encoded, num_frames, outputs = super().encode_features_layers(*inputs, train=train)
        outputs = [output._replace(frames=self.head_states(output.frames, output.num_frames)) for output in outputs]
        return self.head_states(encoded, num_frames), num_frames, outputs

    def head_states(self, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B T H"]:
        """Computes what the head projects to logits: encoder frames, or the states of the head's LSTMs over them."""
        return self.decoder.states(encoded, num_frames) if isinstance(self.decoder, LSTMHead) else encoded

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        return self.decoder(encoded)

    __call__ = logits


def ctc_task(model: CTCModel) -> RecognitionTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    vocab_size = model.decoder.vocab_size

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), *any_language(model)))

    def loss(variables: Variables, batch: Utterances, key: Key) -> tuple[RowLosses, Variables]:
        inputs = batch.samples, batch.num_samples, batch.language
        encodings, updates = train_apply(model, variables, key, *inputs, method="encodings")
        terms = ctc_terms(model, encodings, batch, model.decoder)
        return label_losses(with_inner(terms.regularized, terms.inner, model.interctc), batch, **terms.logged), updates

    search = ctc_search(model, vocab_size=vocab_size, options=model.search)
    search = prompted_search(model.language_prompt, search)
    return recognition_task(
        model,
        init=init,
        loss=loss,
        search=search,
        vocab_size=vocab_size,
        frames_needed=ctc_frames_needed,
        advice=CTC_ADVICE,
    )


CTC = Kind(
    CTCModel,
    ctc_task,
    {**TRUNK, "decoder": Part("decoder", {"ctc": CTCHead, "lstm": LSTMHead})},
    {**MASKS, **LANGUAGE_PROMPT, "search": CTCSearch, "interctc": InterCTC, "consistency": Consistency},
    PRODUCTS,
)
