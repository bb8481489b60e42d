"""Speech recognition with a transducer: encoder and prediction network -> joint -> RNN-T, TDT or multi-blank loss.

The decoder's fields select one of the three: `durations` make it a TDT, `big_blanks` a multi-blank RNN-T.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.language_prompt import LanguagePrompt, prompted
from jaxspeech.decoders.transducer import JointInputs, TransducerDecoder
from jaxspeech.search.fusion import fusion_of
from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import GreedyState, JointFunction, Predict, greedy_start, transducer_greedy
from jaxspeech.search.transducer_beam import transducer_beam
from jaxspeech.tasks.acoustic import AcousticModel, any_language, shortest_audio
from jaxspeech.tasks.kinds import IncrementalSearch
from jaxspeech.tasks.parts import LANGUAGE_PROMPT, MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.prompted import prompted_search
from jaxspeech.tasks.recognition import (
    FramesNeeded,
    RecognitionTask,
    Search,
    Utterances,
    label_losses,
    recognition_task,
)
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.tasks.transducer_loss import TransducerLoss, check_loss, transducer_losses
from jaxspeech.types import Extents, Key, RowLosses, Size, Sound, Variables

# What to change if many examples have no path.
TRANSDUCER_ADVICE = "a transducer needs at least one frame: check the durations and the subsampling"


@dataclass(frozen=True)
class TransducerSearch:
    """Options of the search.

    Attributes:
      max_symbols: maximum number of tokens per frame.
      beam_size: hypotheses of the beam search; 1 for the greedy search.
    """

    max_symbols: int = 10
    beam_size: int = 1

    def __post_init__(self) -> None:
        if min(self.max_symbols, self.beam_size) < 1:
            raise TypeError(f"max_symbols is {self.max_symbols}, beam_size {self.beam_size}; both must be at least 1")


class TransducerModel(AcousticModel, kw_only=True):
    """An encoder with a prediction network and a joint network.

    Attributes:
      language_prompt: projects the language of each row into the frames that the joint sees; None: there is no prompt.
    """

    decoder: TransducerDecoder
    language_prompt: LanguagePrompt | None = None
    loss: TransducerLoss = TransducerLoss()
    search: TransducerSearch = TransducerSearch()

    def joint_inputs(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        labels: Int[Any, "B U"],
        *beside: Any,
        language: Int[Any, " B"] | None = None,
        train: bool = False,
    ) -> tuple[JointInputs, Int[Array, " B"]]:
        """Computes the inputs of the losses (see `decoders.transducer.JointInputs`), and num_frames of the encoder."""
        encoded, num_frames = self.encode(samples, num_samples, *beside, train=train)
        encoded = prompted(self.language_prompt, encoded, language)
        return self.decoder.joint_inputs(encoded, labels, train=train), num_frames

    def logits(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        labels: Int[Any, "B U"],
        language: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "B T N W"], Int[Array, " B"]]:
        """Computes the logits of every lattice node, N = U + 1, which takes much memory."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        encoded = prompted(self.language_prompt, encoded, language)
        return self.decoder(encoded, labels, train=train), num_frames

    __call__ = logits


def transducer_task(model: TransducerModel) -> RecognitionTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    check_loss(model.decoder, model.loss)

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), jnp.zeros((1, 1), jnp.int32), *any_language(model)))

    def loss(variables: Variables, batch: Utterances, key: Key) -> tuple[RowLosses, Variables]:
        key, loss_key = jax.random.split(key)
        inputs = batch.samples, batch.num_samples, batch.labels
        (inputs, num_frames), updates = train_apply(
            model, variables, key, *inputs, language=batch.language, method="joint_inputs"
        )
        return label_losses(transducer_losses(model, inputs, num_frames, batch, loss_key), batch), updates

    search = prompted_search(model.language_prompt, transducer_search(model))
    return recognition_task(
        model,
        init=init,
        loss=loss,
        search=search,
        vocab_size=model.decoder.vocab_size,
        frames_needed=transducer_frames_needed(model),
        advice=TRANSDUCER_ADVICE,
    )


def transducer_frames_needed(model: Any) -> FramesNeeded:
    """Returns a function that counts the least frames of a path.

    An RNN-T, multi-blank or not, emits any number of labels in a frame and ends with a blank. In a TDT each label
    covers at least the shortest duration, which is 0 in all published models, and the last blank the shortest above 0.
    A TDT that is trained as an RNN-T in some of the steps (omega) learns from all that an RNN-T learns from.
    """
    durations = model.decoder.durations
    timed = max(durations, default=0) > 0 and not model.loss.omega
    label = min(durations) if timed else 0
    blank = min(duration for duration in durations if duration > 0) if timed else 1

    def needed(examples: Extents, frames: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        return label * examples.lengths["labels"].astype(np.int64) + blank

    return needed


def transducer_search(model: Any) -> Search:
    """Returns the search that a transducer model's options select: greedy (label looping) or a beam search."""
    decoder, options = model.decoder, model.search

    def start(variables: Variables, batch_size: Size) -> GreedyState:
        predict = partial(_decoder_apply(model, variables), method="predict")
        fusion = fusion_of(variables, batch_size)
        return greedy_start(predict, decoder.initial_state(batch_size), start_id=decoder.vocab_size, fusion=fusion)

    def greedy_part(variables: Variables, encoded: Any, num_frames: Any, state: Any) -> tuple[Tokens, GreedyState]:
        inputs, shared = _search_inputs(model, variables, encoded)
        return transducer_greedy(*inputs, num_frames, state, **shared, fusion=fusion_of(variables, encoded.shape[0]))

    def greedy(variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Tokens:
        tokens, _ = greedy_part(variables, encoded, num_frames, start(variables, encoded.shape[0]))
        return tokens

    def beam(
        variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, num_best: int
    ) -> list[Tokens]:
        inputs, shared = _search_inputs(model, variables, encoded)
        shared |= {"beam_size": options.beam_size, "num_best": num_best}
        begin, fusion = start(variables, encoded.shape[0]), fusion_of(variables, encoded.shape[0])
        return transducer_beam(*inputs, num_frames, begin, **shared, fusion=fusion)

    def step(variables: Variables, encoded: Any, num_frames: Any, state: Any) -> tuple[Tokens, Any, Any]:
        tokens, state = greedy_part(variables, encoded, num_frames, state)
        return tokens, jnp.zeros_like(num_frames), state  # emitted tokens are final

    if options.beam_size > 1:
        return Search(lambda *inputs: beam(*inputs, num_best=1)[0], None, None, beam)
    return Search(greedy, None, IncrementalSearch(start, step))


def _search_inputs(
    model: Any, variables: Variables, encoded: Array
) -> tuple[tuple[Predict, JointFunction, Array], dict[str, Any]]:
    """Returns the arguments of both searches (predict, joint, projected frames), and their options."""
    apply, decoder = _decoder_apply(model, variables), model.decoder
    inputs = partial(apply, method="predict"), partial(apply, method="logits"), apply(encoded, method="project")
    return inputs, {
        "blank_id": decoder.blank_id,
        "durations": decoder.durations,
        "big_blank_durations": decoder.big_blanks,
        "max_symbols": model.search.max_symbols,
    }


def _decoder_apply(model: Any, variables: Variables) -> Any:
    return partial(model.decoder.apply, {"params": variables["params"]["decoder"]})


DECODER = Part("decoder", {"transducer": TransducerDecoder})
TRANSDUCER = Kind(
    TransducerModel,
    transducer_task,
    {**TRUNK, "decoder": DECODER},
    {**MASKS, **LANGUAGE_PROMPT, "loss": TransducerLoss, "search": TransducerSearch},
    PRODUCTS,
)
