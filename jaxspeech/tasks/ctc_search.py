"""The search of a model with a CTC head: greedy or with a beam, and with other models' scores or without."""

from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from jaxtyping import Array, Float, Int

from jaxspeech.search.ctc import ctc_greedy, ctc_greedy_part, ctc_start
from jaxspeech.search.ctc_beam import Merge, ctc_beam
from jaxspeech.search.ctc_fused import ctc_greedy_fused
from jaxspeech.search.fusion import fusion_of
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.kinds import IncrementalSearch
from jaxspeech.tasks.recognition import Search
from jaxspeech.types import Size, Variables


@dataclass(frozen=True)
class CTCSearch:
    """Options of the search; all but the first are those of the beam search, see `search.ctc_beam`.

    Attributes:
      beam_size: texts of the beam search; 1 for the greedy search.
      candidates: tokens of each frame that can be added to a text.
      length_bonus: added to the score for each token.
      threshold: a text whose score is so much below the best one's is dropped.
      skip_blank: a frame whose blank is more probable is only a blank; 1 skips none.
      merge: "sum" adds the probabilities of a text's paths, "max" searches for the best path.
    """

    beam_size: int = 1
    candidates: int = 16
    length_bonus: float = 0.0
    threshold: float = 20.0
    skip_blank: float = 0.999
    merge: Merge = "sum"

    def __post_init__(self) -> None:
        if min(self.beam_size, self.candidates) < 1:
            raise TypeError(f"beam_size is {self.beam_size}, candidates {self.candidates}; both must be at least 1")
        if not (self.threshold > 0 and 0 < self.skip_blank <= 1):
            raise TypeError(
                f"threshold is {self.threshold}, skip_blank {self.skip_blank}; both must be above 0, and the latter at "
                "most 1"
            )
        if self.merge not in get_args(Merge):
            raise TypeError(f"merge is {self.merge!r}; it must be {' or '.join(get_args(Merge))}")


def frame_log_probs(
    model: AcousticModel, variables: Variables, encoded: Float[Array, "B T D"]
) -> Float[Array, "B T W"]:
    """Computes the log-probabilities of a CTC head from encoder frames."""
    apply: Any = model.apply
    return apply(variables, encoded, method="frame_log_probs")


def ctc_search(model: AcousticModel, *, vocab_size: int, options: CTCSearch) -> Search:
    """Returns the search of a model with a CTC head, whose method `frame_log_probs` takes encoder frames."""

    log_probs = partial(frame_log_probs, model)

    def decode(variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Tokens:
        frames, fusion = log_probs(variables, encoded), fusion_of(variables, encoded.shape[0])
        if fusion is None:
            return ctc_greedy(frames, num_frames, blank_id=vocab_size)
        return ctc_greedy_fused(frames, num_frames, ctc_start(frames.shape[0], blank_id=vocab_size), fusion)[0]

    def beam(
        variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, num_best: int
    ) -> list[Tokens]:
        return ctc_beam(
            log_probs(variables, encoded),
            num_frames,
            blank_id=vocab_size,
            beam_size=options.beam_size,
            num_best=num_best,
            candidates=options.candidates,
            fusion=fusion_of(variables, encoded.shape[0]),
            length_bonus=options.length_bonus,
            threshold=options.threshold,
            skip_blank=options.skip_blank,
            merge=options.merge,
        )

    def start(variables: Variables, batch_size: Size) -> Any:
        fusion = fusion_of(variables, batch_size)
        return ctc_start(batch_size, blank_id=vocab_size), fusion and fusion.state

    def step(variables: Variables, encoded: Any, num_frames: Any, state: Any) -> tuple[Tokens, Any, Any]:
        frames, (state, models) = log_probs(variables, encoded), state
        fusion = fusion_of(variables, encoded.shape[0])
        if fusion is None:
            tokens, again, state = ctc_greedy_part(frames, num_frames, state, blank_id=vocab_size)
        else:
            fusion = fusion._replace(state=models)
            tokens, again, state, models = ctc_greedy_fused(frames, num_frames, state, fusion)
        return tokens, again, (state, models)

    if options.beam_size > 1:
        return Search(lambda *inputs: beam(*inputs, num_best=1)[0], log_probs, None, beam)
    return Search(decode, log_probs, IncrementalSearch(start, step))
