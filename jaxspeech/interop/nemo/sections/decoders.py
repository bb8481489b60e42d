"""The tables of heads, prediction networks, joint and losses: arguments of NeMo's classes, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    none_as_null,
    number,
    only,
    share,
    size,
)

# Of AI4Bharat's heads with a softmax for each language: see `families.languages`.
LANGUAGES = frozenset({"multisoftmax", "multilingual", "language_keys"})
LANGUAGES |= {"language_masks", "token_id_offsets", "offset_token_ids_by_token_id"}
CTC_HEAD = Section(
    "ctc",
    (Argument("num_classes", "vocab_size", Required, integer(-1, 1 << 20)), only("add_blank", True)),
    frozenset({"feat_in", "vocabulary", "init_mode"}) | LANGUAGES,
)


LSTM_HEAD = Section(
    "lstm",
    (
        Argument("num_classes", "vocab_size", Required, integer(-1, 1 << 20)),
        Argument("lstm_hidden_size", "width", Required, size),
        Argument("num_layers", "num_layers", 1, integer(1, 64)),
        Argument("bidirectional", "bidirectional", False, flag),
        only("add_blank", True),
    ),
    frozenset({"feat_in", "vocabulary"}),
)


def positive(value: Any) -> int | None:
    """Accepts a size; None and -1 both give None."""
    return None if value in (None, -1) else size(value)


def _finish_lstm(decoder: dict[str, Any]) -> None:
    """Sets the width of the cells; NeMo projects cells that are wider than their output."""
    width, cells = decoder["width"], decoder["cell_width"]
    if cells is not None and cells < width:
        raise ValueError(f"prednet.rnn_hidden_size {cells} is less than prednet.pred_hidden {width}")
    decoder["cell_width"] = None if cells == width else cells


# NeMo keeps the sizes of prediction network and joint in nested sections.
LSTM_PREDICTION = Section(
    "transducer",
    (
        Argument("vocab_size", "vocab_size", Required, integer(1, 1 << 20)),
        Argument("prednet.pred_hidden", "width", Required, size),
        Argument("prednet.pred_rnn_layers", "num_layers", Required, integer(1, 64)),
        Argument("prednet.dropout", "dropout", 0.0, lambda value: share(value or 0)),
        only("normalization_mode", None),
        only("random_state_sampling", False),
        only("blank_as_pad", True),
        Argument("prednet.rnn_hidden_size", "cell_width", -1, positive, lambda width: width or -1),
    ),
    # Weight initialisation only.
    frozenset(
        {
            "prednet.t_max",
            "prednet.forget_gate_bias",
            "prednet.weights_init_scale",
            "prednet.hidden_hidden_bias_scale",
        }
    )
    | LANGUAGES,
    settles=(("prediction", "lstm"),),
    finish=_finish_lstm,
)
STATELESS_PREDICTION = Section(
    "transducer",
    (
        Argument("vocab_size", "vocab_size", Required, integer(1, 1 << 20)),
        Argument("context_size", "context", 1, integer(1, 64)),
        Argument("prednet.pred_hidden", "width", Required, size),
        Argument("prednet.dropout", "dropout", 0.0, lambda value: share(value or 0)),
        Argument(
            "normalization_mode",
            "context_norm",
            None,
            lambda value: among("layer", "none")(value or "none"),
            none_as_null,
        ),
    ),
    frozenset({"prednet.pred_rnn_layers", "prednet.t_max"}),
    settles=(("prediction", "stateless"),),
)
JOINT = Section(
    "",
    (
        Argument("jointnet.joint_hidden", "joint_width", Required, size),
        Argument("jointnet.activation", "activation", Required, among("relu", "tanh", "sigmoid")),
        Argument("jointnet.dropout", "joint_dropout", 0.0, lambda value: share(value or 0)),
        Argument("num_extra_outputs", "extra_outputs", 0, integer(0, 1024)),
        only("masking_prob", -1, -1.0),
    ),
    # We do not need to know whether logits are normalised; the rest is memory and speed, or follows from other values.
    frozenset(
        {
            "jointnet.encoder_hidden",
            "jointnet.pred_hidden",
            "num_classes",
            "vocabulary",
            "log_softmax",
            "preserve_memory",
            "fuse_loss_wer",
            "fused_batch_size",
            "experimental_fuse_loss_wer",
        }
    )
    | LANGUAGES,
    fits=lambda fields: not fields.get("hat"),
)


def _finish_hat(joint: dict[str, Any]) -> None:
    """Sets the activation of the blank, which NeMo always computes from a tanh."""
    joint["blank_activation"] = None if joint["activation"] == "tanh" else "tanh"


# Its blank has a layer of its own, which is a column of our output layer.
HAT_JOINT = JOINT._replace(
    arguments=(*(part for part in JOINT.arguments if part.nemo.startswith("jointnet.")), only("num_extra_outputs", 0)),
    settles=(("hat", True), ("extra_outputs", 0)),
    finish=_finish_hat,
    fits=lambda fields: (fields["blank_activation"] or fields["activation"]) == "tanh",
)


def _frames(value: Any) -> list[int]:
    if (
        isinstance(value, (list, tuple))
        and 0 < len(value) <= 64
        and all(integer(0, 1 << 14)(part) >= 0 for part in value)
    ):
        return list(value)
    raise ValueError("must be a list of numbers of frames")


# The same joint, which NeMo trains on a sample of the tokens to save the memory that our losses do not need.
SAMPLED_JOINT = JOINT._replace(
    arguments=tuple(part for part in JOINT.arguments if part.nemo.startswith("jointnet.")),
    without_effect=JOINT.without_effect | {"n_samples"},
    settles=(("extra_outputs", 0),),
)

_LOSS = (
    Argument("fastemit_lambda", "fastemit", 0.0, number(0, 1000)),
    Argument("clamp", "clamp", -1.0, number(-1e9, 1e9)),
)
# How NeMo computes its losses from graphs; the results are those of ours.
_GRAPHS = frozenset({"use_grid_implementation", "connect_composed", "double_scores", "cast_to_float32"})
WILDCARD_LOSS = "graph_w_transducer"
# `loss_name` -> the section with its arguments, and their table.
LOSSES = {
    "default": ("warprnnt_numba_kwargs", Section("", _LOSS)),
    "warprnnt_numba": ("warprnnt_numba_kwargs", Section("", _LOSS)),
    "tdt": (
        "tdt_kwargs",
        Section(
            "",
            (
                *_LOSS,
                Argument("durations", "durations", Required, _frames),
                Argument("sigma", "sigma", 0.0, number(0, 100)),
                Argument("omega", "omega", 0.0, share),
            ),
        ),
    ),
    "multiblank_rnnt": (
        "multiblank_rnnt_kwargs",
        Section(
            "",
            (
                *_LOSS,
                Argument("big_blank_durations", "big_blanks", Required, _frames),
                Argument("sigma", "sigma", 0.0, number(0, 100)),
            ),
        ),
    ),
    "graph_rnnt": ("graph_rnnt_kwargs", Section("", (), _GRAPHS | {"return_graph", "use_triton"})),
    WILDCARD_LOSS: (
        "graph_w_transducer_kwargs",
        Section(
            "",
            (
                Argument("eps_weight", "wildcard_weight", 0.0, number(-1e9, 1e9)),
                Argument("last_blank_mode", "wildcard", "force_final", among("force_final", "allow_ignore")),
            ),
            _GRAPHS,
        ),
    ),
}
