"""The tables of FastPitch: NeMo's classes of text-to-mel models, and our fields for their arguments."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import Argument, Required, Section, integer, number, only, share, size

# The ways in which a module depends on a speaker, in our order.
WAYS = ("add", "concat", "layernorm")
MODULES = "nemo.collections.tts.modules"
# Fields of ours that are not those of the part that NeMo keeps them in.
WAYS_FIELD = "ways"


def _ways(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or any(way not in WAYS for way in value):
        raise ValueError(f"must be a list of {', '.join(WAYS)}")
    return tuple(way for way in WAYS if way in value)


def _odd(value: Any) -> int:
    if not integer(1, 1 << 10)(value) % 2:
        raise ValueError("must be odd")
    return value


def _kernel(value: Any) -> int:
    """Reads the size of a layer's kernels; NeMo also takes two."""
    if isinstance(value, (list, tuple)):
        if len(set(value)) != 1:
            raise ValueError("both must be equal")
        value = value[0]
    return _odd(value)


def _finish_stack(stack: dict[str, Any]) -> None:
    if stack["width"] % 2:
        raise ValueError(f"d_model {stack['width']} must be even")
    embedding = stack.pop("embedding_width", None)
    if embedding not in (None, stack["width"]):
        raise ValueError(f"d_embed {embedding} must be d_model")


CONDITION = Argument("condition_types", WAYS_FIELD, (), _ways)
_STACK = (
    Argument("n_layer", "num_layers", Required, integer(1, 512)),
    Argument("n_head", "num_heads", Required, integer(1, 512)),
    Argument("d_model", "width", Required, size),
    Argument("d_head", "head_width", Required, size),
    Argument("d_inner", "hidden_width", Required, size),
    Argument("kernel_size", "kernel_size", Required, _kernel),
    Argument("dropout", "dropout", Required, share),
    Argument("dropatt", "dropout_att", Required, share),
    Argument("dropemb", "dropout_emb", 0.0, share),
    only("pre_lnorm", False),
    CONDITION,
)
STACK_OF_SYMBOLS = {
    "FFTransformerEncoder": Section(
        "fft",
        (*_STACK, Argument("d_embed", "embedding_width", None, lambda value: None if value is None else size(value))),
        # They follow from the tokenizer.
        frozenset({"n_embed", "padding_idx"}),
        finish=_finish_stack,
        gather=lambda fields: fields | {"embedding_width": fields["width"]},
        package=f"{MODULES}.transformer",
    )
}
STACK_OF_FRAMES = {
    "FFTransformerDecoder": Section("fft", _STACK, finish=_finish_stack, package=f"{MODULES}.transformer")
}
PREDICTOR = {
    "TemporalPredictor": Section(
        "convolutions",
        (
            Argument("input_size", "input_width", Required, size),
            Argument("filter_size", "hidden_width", Required, size),
            Argument("kernel_size", "kernel_size", Required, _odd),
            Argument("dropout", "dropout", Required, share),
            Argument("n_layers", "num_layers", 2, integer(1, 64)),
            CONDITION,
        ),
        package=f"{MODULES}.fastpitch",
    )
}
ALIGNER = {
    "AlignmentEncoder": Section(
        "distances",
        (
            Argument("n_mel_channels", "bands", 80, size),
            Argument("n_text_channels", "input_width", 512, size),
            Argument("n_att_channels", "channels", 80, size),
            Argument("temperature", "temperature", 0.0005, number(1e-12, 1e6)),
            CONDITION,
            only("dist_type", "l2"),
        ),
        package=f"{MODULES}.aligner",
    )
}
# The vectors of speakers, whose sections are within one of another class.
TABLE = {
    "SpeakerLookupTable": Section(
        "",
        (
            Argument("n_speakers", "number", Required, integer(1, 1 << 20)),
            Argument("embedding_dim", "input_width", Required, size),
        ),
        package=f"{MODULES}.submodules",
    )
}
STYLE = {
    "GlobalStyleToken": Section(
        "",
        (
            Argument("gst_size", "width", 128, size),
            Argument("n_style_token", "num_tokens", 10, integer(1, 1 << 14)),
            Argument("n_style_attn_head", "num_heads", 4, integer(2, 512)),
        ),
        frozenset({"reference_encoder"}),
        package=f"{MODULES}.submodules",
    )
}


def _filters(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("must be a list of numbers of channels")
    return tuple(size(channels) for channels in value)


# Of the convolutions of mel frames; NeMo needs them all.
IMAGE_CONV = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": True}
REFERENCE_ENCODER = {
    "ReferenceEncoder": Section(
        "",
        (
            Argument("n_mels", "bands", Required, size),
            Argument("cnn_filters", "filters", Required, _filters),
            Argument("dropout", "dropout", Required, share),
            Argument("gru_hidden", "width", Required, size),
            *(only(name, value) for name, value in IMAGE_CONV.items()),
        ),
        package=f"{MODULES}.submodules",
    )
}
SPEAKER_ENCODER = f"{MODULES}.submodules.SpeakerEncoder"
# What each flag of the model adds the speaker's vector to.
FLAGS = {
    "speaker_emb_condition_prosody": ("duration", "pitch"),
    "speaker_emb_condition_decoder": ("decoder",),
    "speaker_emb_condition_aligner": ("aligner",),
}
