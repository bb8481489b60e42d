"""Speech recognition with CTC: waveform -> features -> SpecAugment -> encoder -> head -> loss or search."""

from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.language_prompt import prompted
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

    decoder: CTCHead
    search: CTCSearch = CTCSearch()

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
    {**TRUNK, "decoder": Part("decoder", {"ctc": CTCHead})},
    {**MASKS, **LANGUAGE_PROMPT, "search": CTCSearch, "interctc": InterCTC, "consistency": Consistency},
    PRODUCTS,
)
