"""The forms in which a recogniser transcribes: different configurations over the same variables."""

from typing import Any, NamedTuple

from jaxspeech.builder import build
from jaxspeech.encoders.chunk_context import UNIFIED
from jaxspeech.tasks.recognition import RecognitionTask

# Names of `with_attention` -> the encoder's field.
ATTENTION = {"full": "rel_pos", "local": "rel_pos_local", "chunked": "rel_pos"}
DEFAULT_CONTEXT = {"full": (-1, -1), "local": (128, 128), "chunked": (70, 13, 13)}


class Forms(NamedTuple):
    """A recogniser's tasks, over the same variables.

    Attributes:
      transcribing: the rows of a batch do not depend on one another.
      local: the same with local attention, for recordings too long for full attention; None if there is no such form.
      transcribing_config, local_config: the configurations that they were built from.
    """

    transcribing: RecognitionTask
    local: RecognitionTask | None
    transcribing_config: dict[str, Any]
    local_config: dict[str, Any]


def transcribing_forms(config: dict[str, Any], task: RecognitionTask) -> Forms:
    """Builds a recogniser's forms, each distinct configuration once.

    Args:
      config: as `build` takes it.
      task: the task that `build` made from it.
    """
    transcribing = without_padding_statistics(config)
    local = with_local_attention(transcribing)
    return Forms(
        transcribing=task if transcribing is config else build(transcribing),
        local=None if local is None else build(local),
        transcribing_config=transcribing,
        local_config=local or {},
    )


def without_padding_statistics(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration for transcribing: no row of a batch depends on padding, and so on the other rows.

    NeMo's group norms include padding in their statistics, in training and in batches; a single file has none.
    """
    encoder = config["encoder"]
    if encoder.get("conv_norm", "batch") != "group" or not encoder.get("norm_over_padding", False):
        return config
    return config | {"encoder": encoder | {"norm_over_padding": False}}


def with_local_attention(config: dict[str, Any]) -> dict[str, Any] | None:
    """The configuration with local instead of full attention; None if there is no such form.

    A model that was trained with a window keeps it, and so its numbers; any other gets the default one.
    """
    encoder = config["encoder"]
    context = tuple(encoder.get("attention_context", (-1, -1)))
    chunked = encoder.get("attention_style", "regular") != "regular"
    if encoder["name"] != "fastconformer" or encoder.get("attention", "rel_pos") != "rel_pos" or chunked:
        return None
    if not all(isinstance(side, int) for side in context) or encoder.get("global_frames"):
        return None
    if any(adapter.get("kind", "linear") != "linear" for adapter in encoder.get("adapters", ())):
        return None  # they attend to whole recordings
    return with_attention(config, "local", context=context if min(context) >= 0 else None)


def with_attention(
    config: dict[str, Any], attention: str, *, context: tuple[int, ...] | None = None, **global_frames: Any
) -> dict[str, Any]:
    """The configuration with different attention; see `surgery.attention`, which checks the arguments."""
    encoder = config["encoder"]
    # A unified model remains one with full attention: the chunks that it was trained with are those of its streams.
    unified = attention == "chunked" or (
        attention == "full" and context is None and encoder.get("attention_style") == UNIFIED
    )
    attends = {
        "attention": ATTENTION[attention],
        "attention_style": UNIFIED if unified else "regular",
        "attention_chunk_context": encoder.get("attention_chunk_context") if unified else None,
        "attention_context_weights": None,
        "attention_context": tuple(context or DEFAULT_CONTEXT[attention]),
        **{"global_frames": 0, "global_spacing": 1, "global_projections": False, **global_frames},
    }
    return config | {"encoder": encoder | attends}
