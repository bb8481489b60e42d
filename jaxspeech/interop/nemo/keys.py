"""The map between the peer's weights and our variables, a table, and the one walk over it.

A row says: the tensor of this name, {i} being any layer, transformed so, is that variable. Layers are stacked on a
leading axis where our tree has them stacked.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.types import Variables

Transform = Callable[[np.ndarray], np.ndarray]
# As many problems as one error names.
NAMED_PROBLEMS = 12
# In the path of a variable with a leading axis of layers.
STACKED = "/layers/"


class Row(NamedTuple):
    """The peer's name, ours (path from the collection), and the tensor's transform."""

    peer: str
    ours: str
    transform: Transform


def same(x: np.ndarray) -> np.ndarray:
    """As it is."""
    return x


def dense(x: np.ndarray) -> np.ndarray:
    """Linear [out, in] to kernel [in, out]; also a convolution of width 1 [out, in, 1 ...]."""
    return x.reshape(x.shape[:2]).T


def depthwise(x: np.ndarray) -> np.ndarray:
    """Depthwise convolution [D, 1, W] to [W, D]."""
    return x[:, 0].T


def conv2d(x: np.ndarray) -> np.ndarray:
    """Convolution [out, in, time, frequency] to [time, frequency, in, out]."""
    return x.transpose(2, 3, 1, 0)


def flattened(channels: int) -> Transform:
    """Linear over the peer's [channels, frequency] to ours over [frequency, channels]."""

    def transform(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), channels, -1).transpose(2, 1, 0).reshape(-1, len(x))

    return transform


def without_padding(x: np.ndarray) -> np.ndarray:
    """An embedding without its last row, the blank's, which stands for the start and is zero by definition."""
    if x[-1].any():
        raise ValueError("the blank's embedding is not zero")
    return x[:-1]


def linear(peer: str, ours: str, transform: Transform = dense) -> list[Row]:
    """A kernel and its bias."""
    return [Row(f"{peer}.weight", f"{ours}/kernel", transform), Row(f"{peer}.bias", f"{ours}/bias", same)]


def norm(peer: str, ours: str) -> list[Row]:
    """A scale and its bias."""
    return [Row(f"{peer}.weight", f"{ours}/scale", same), Row(f"{peer}.bias", f"{ours}/bias", same)]


# What needs no place: the frontend's window and filters follow from its configuration; the count of batches has no use
# with a fixed momentum; the encoder's positions are computed.
DERIVED = (
    "preprocessor.featurizer.window",
    "preprocessor.featurizer.fb",
    "encoder.pos_enc.pe",
    "encoder.layers.{i}.conv.batch_norm.num_batches_tracked",
)

_PEER, _OURS = "encoder.layers.{i}", "params/encoder/layers_{i}"
CONFORMER_LAYER = [
    *norm(f"{_PEER}.norm_feed_forward1", f"{_OURS}/norm_ff_in"),
    *linear(f"{_PEER}.feed_forward1.linear1", f"{_OURS}/ff_in/up"),
    *linear(f"{_PEER}.feed_forward1.linear2", f"{_OURS}/ff_in/down"),
    *norm(f"{_PEER}.norm_self_att", f"{_OURS}/norm_attention"),
    *linear(f"{_PEER}.self_attn.linear_q", f"{_OURS}/attention/query"),
    *linear(f"{_PEER}.self_attn.linear_k", f"{_OURS}/attention/key"),
    *linear(f"{_PEER}.self_attn.linear_v", f"{_OURS}/attention/value"),
    *linear(f"{_PEER}.self_attn.linear_out", f"{_OURS}/attention/out"),
    *norm(f"{_PEER}.norm_conv", f"{_OURS}/norm_convolution"),
    *linear(f"{_PEER}.conv.pointwise_conv1", f"{_OURS}/convolution/pointwise_in"),
    *linear(f"{_PEER}.conv.depthwise_conv", f"{_OURS}/convolution/depthwise", depthwise),
    *norm(f"{_PEER}.conv.batch_norm", f"{_OURS}/convolution/norm"),  # its name, whatever the norm
    *linear(f"{_PEER}.conv.pointwise_conv2", f"{_OURS}/convolution/pointwise_out"),
    *norm(f"{_PEER}.norm_feed_forward2", f"{_OURS}/norm_ff_out"),
    *linear(f"{_PEER}.feed_forward2.linear1", f"{_OURS}/ff_out/up"),
    *linear(f"{_PEER}.feed_forward2.linear2", f"{_OURS}/ff_out/down"),
    *norm(f"{_PEER}.norm_out", f"{_OURS}/norm_out"),
]
RELATIVE_POSITIONS = [Row(f"{_PEER}.self_attn.linear_pos.weight", f"{_OURS}/attention/position/kernel", dense)]
UNTIED_BIASES = [Row(f"{_PEER}.self_attn.pos_bias_{n}", f"{_OURS}/attention/bias_{n}", same) for n in "uv"]
# One pair for all layers, of which the peer saves a copy under each.
TIED_BIASES = [Row(f"{_PEER}.self_attn.pos_bias_{n}", f"params/encoder/bias_{n}", same) for n in "uv"]
RUNNING_STATISTICS = [
    Row(f"{_PEER}.conv.batch_norm.running_{n}", f"batch_stats/encoder/layers_{{i}}/convolution/norm/{n}", same)
    for n in ("mean", "var")
]
STACKING = linear("encoder.pre_encode.proj_out", "params/encoder/subsampling/out")
STACKING_NORM = norm("encoder.pre_encode.pre_norm", "params/encoder/subsampling/norm")
OUTPUT_PROJECTION = linear("encoder.out_proj", "params/encoder/out")
CTC_HEAD = linear("decoder.decoder_layers.0", "params/decoder/out")
HYBRID_CTC_HEAD = linear("ctc_decoder.decoder_layers.0", "params/ctc_head/out")

LSTM_PREDICTION = [
    Row("decoder.prediction.embed.weight", "params/decoder/prediction/embedding/table", without_padding),
    *[
        Row(
            f"decoder.prediction.dec_rnn.lstm.{kind}_{peer}_l{{i}}",
            f"params/decoder/prediction/lstm/{ours}_{{i}}/{name}",
            to,
        )
        for kind, name, to in (("weight", "kernel", dense), ("bias", "bias", same))
        for peer, ours in (("ih", "input"), ("hh", "hidden"))
    ],
]
STATELESS_PREDICTION = [
    Row("decoder.prediction.embeds.{i}.weight", "params/decoder/prediction/embedding_{i}/table", without_padding)
]


def strided_convolutions(peer: str, ours: str, *, factor: int, channels: int, depthwise: bool) -> list[Row]:
    """Convolutions of stride 2 and a projection. The peer numbers its modules with the activations between them."""
    rows = linear(f"{peer}.out", f"{ours}/out", flattened(channels))
    for i in range(factor.bit_length() - 1):
        if depthwise and i > 0:
            rows += linear(f"{peer}.conv.{3 * i - 1}", f"{ours}/conv_{i}", conv2d)
            rows += linear(f"{peer}.conv.{3 * i}", f"{ours}/pointwise_{i}")
        else:
            rows += linear(f"{peer}.conv.{2 * i}", f"{ours}/conv_{i}", conv2d)
    return rows


def conformer_rows(encoder: Mapping[str, Any]) -> list[Row]:
    """The rows that a FastConformer's configuration calls for."""
    rows = list(CONFORMER_LAYER)
    if encoder["attention"] == "rel_pos":
        rows += RELATIVE_POSITIONS + (UNTIED_BIASES if encoder["untied_biases"] else TIED_BIASES)
    if encoder["conv_norm"] == "batch":
        rows += RUNNING_STATISTICS
    match encoder["subsampling"]:
        case "dw_striding" | "striding" as kind:
            rows += strided_convolutions(
                "encoder.pre_encode",
                "params/encoder/subsampling",
                factor=encoder["subsampling_factor"],
                channels=encoder["subsampling_channels"],
                depthwise=kind == "dw_striding",
            )
        case "stacking":
            rows += STACKING
        case "stacking_norm":
            rows += STACKING + STACKING_NORM
    if encoder["reduction"] == "striding":
        rows += strided_convolutions(
            "encoder.reduction_subsampling.reduction_enc",
            "params/encoder/reduction",
            factor=encoder["reduction_factor"],
            channels=encoder["width"],
            depthwise=False,
        )
    return rows + (OUTPUT_PROJECTION if encoder["output_width"] else [])


def transducer_rows(decoder: Mapping[str, Any]) -> list[Row]:
    """Prediction network and joint. The peer numbers the joint's dropout only where there is one."""
    return [
        *(LSTM_PREDICTION if decoder["prediction"] == "lstm" else STATELESS_PREDICTION),
        *linear("joint.enc", "params/decoder/joint/encoded"),
        *linear("joint.pred", "params/decoder/joint/predicted"),
        *linear(f"joint.joint_net.{2 if decoder['joint_dropout'] > 0 else 1}", "params/decoder/joint/out"),
    ]


ENCODERS = {"fastconformer": conformer_rows}
DECODERS = {"ctc": lambda decoder: CTC_HEAD, "transducer": transducer_rows}


def rows_of(model: Mapping[str, Any]) -> list[Row]:
    """The rows that a `model` dict calls for."""
    encoder, decoder = model["encoder"], model["decoder"]
    rows = [*ENCODERS[encoder["name"]](encoder), *DECODERS[decoder["name"]](decoder)]
    return rows + (HYBRID_CTC_HEAD if model["task"] == "hybrid" else [])


def to_variables(tensors: Mapping[str, np.ndarray], rows: Sequence[Row], expected: Mapping[str, Any]) -> Variables:
    """The peer's tensors as our variables, in float32.

    Args:
      tensors: by the peer's names.
      rows: the map.
      expected: path of each of our variables ("params/encoder/...") -> something with its shape.
    Raises:
      ArchiveError: every tensor that is missing, left over or of another shape than its variable, in one line.
    """
    found, problems = _matched(tensors, rows)
    filled: dict[str, np.ndarray] = {}
    for row, arrays in zip(rows, found, strict=True):
        for path, layers in _places(row, expected).items():
            shape = tuple(expected[path].shape)
            if layers is None:  # one variable, of which each layer may have a copy
                layers = sorted(arrays)[:1] or [0]
                if any(not np.array_equal(arrays[layers[0]], copy) for copy in arrays.values()):
                    problems.append(f"{row.peer} differs between layers")
                taken, arrays = arrays, {}
            else:
                shape = shape[1:] if STACKED in f"/{path}" else shape
                taken = {i: arrays.pop(i) for i in layers if i in arrays}
            names = {i: row.peer.replace("{i}", str(i)) for i in layers}
            problems += [f"{names[i]} is missing" for i in layers if i not in taken]
            wrong = [i for i in layers if i in taken and taken[i].shape != shape]
            problems += [f"{names[i]} has the shape {list(tensors[names[i]].shape)}" for i in wrong]
            if not wrong and all(i in taken for i in layers):
                whole = np.stack([taken[i] for i in layers]) if STACKED in f"/{path}" else taken[layers[0]]
                filled[path] = np.ascontiguousarray(whole, np.float32)
        problems += [f"{row.peer.replace('{i}', str(i))} has no place" for i in arrays]
    if not problems:
        problems = [f"nothing for {path}" for path in expected if path not in filled]
    if problems:
        more = f" and {len(problems) - NAMED_PROBLEMS} more" if len(problems) > NAMED_PROBLEMS else ""
        raise ArchiveError(f"its weights do not fit its configuration: {'; '.join(problems[:NAMED_PROBLEMS])}{more}")
    return _nested(filled)


def _matched(tensors: Mapping[str, np.ndarray], rows: Sequence[Row]) -> tuple[list[dict[int, np.ndarray]], list[str]]:
    """For each row the transformed tensors by layer (0 where it has none); and what fits no row."""
    patterns = [_pattern(row.peer) for row in rows]
    derived = [_pattern(name) for name in DERIVED]
    found: list[dict[int, np.ndarray]] = [{} for _ in rows]
    problems = []
    for name, tensor in tensors.items():
        if any(pattern.fullmatch(name) for pattern in derived):
            continue
        for row, pattern, arrays in zip(rows, patterns, found, strict=True):
            if match := pattern.fullmatch(name):
                try:
                    arrays[int(match.groupdict().get("i", 0))] = row.transform(tensor)
                except (ValueError, IndexError):
                    problems.append(f"{name} has the shape {list(tensor.shape)}")
                break
        else:
            problems.append(f"{name} has no place")
    return found, problems


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\{i\}", "(?P<i>[0-9]{1,4})"))


def _places(row: Row, expected: Mapping[str, Any]) -> dict[str, list[int] | None]:
    """Which of our variables a row fills: path -> the layers that go into it, None for a copy of any."""
    if "{i}" not in row.ours:
        return {row.ours: None} if row.ours in expected else {}
    stacked = row.ours.replace("layers_{i}", "layers")
    if stacked in expected:
        return {stacked: list(range(expected[stacked].shape[0]))}
    layers = itertools.takewhile(lambda i: row.ours.format(i=i) in expected, itertools.count())
    return {row.ours.format(i=i): [i] for i in layers}


def _nested(flat: Mapping[str, np.ndarray]) -> Variables:
    variables: Variables = {}
    for path, array in flat.items():
        *parents, last = path.split("/")
        node = variables
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = array
    return variables
