"""Runs the encoder on several devices, each with a part of a long recording's time axis; for inference."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.nn.sequence_parallel import TIME
from jaxspeech.row_parallel import traced_over
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Variables

EncodeFeatures = Callable[[Variables, Any, Any], tuple[Any, Any]]


def time_parallel_encoder(model: AcousticModel, *, devices: Sequence[Any] | None = None) -> EncodeFeatures:
    """`model.encode_features` with time split over `devices` (default: all).

    With N devices, each needs 1/N of the layers' memory; every device holds all parameters and does the whole
    subsampling, a chunk at a time.

    Args:
      model: its encoder must be a FastConformer with local attention (see `surgery.attention`).
      devices: the devices between which time is split.

    Returns:
      (variables, features [B T F], num_frames [B]) -> (encoder frames [B T_out D], num_frames [B]), T_out being a
      multiple of the number of devices.

    Raises:
      ConfigError: the encoder is a different one.
    """
    encoder = model.encoder
    jitted, split, whole = time_parallel_program(model, devices=devices)

    def encode_padded(variables: Variables, features: Any, num_frames: Any) -> tuple[Any, Any]:
        padding = -features.shape[1] % (encoder.total_factor * split.mesh.size)
        features = np.pad(np.asarray(features), [(0, 0), (0, padding), (0, 0)])
        placed = jax.device_put((variables, features, jnp.asarray(num_frames)), (whole, split, whole))
        return jitted(*placed)

    return encode_padded


def time_parallel_program(
    model: AcousticModel, *, devices: Sequence[Any] | None = None
) -> tuple[Any, NamedSharding, NamedSharding]:
    """Returns (the jitted function; the shardings of features, and of variables and lengths).

    The frames of its features are a multiple of the encoder's subsampling factor times the number of devices. Takes and
    raises what `time_parallel_encoder` does.
    """
    encoder = model.encoder
    if not isinstance(encoder, FastConformer) or encoder.attention != "rel_pos_local" or encoder.global_frames:
        raise ConfigError(
            "time is split over devices for a FastConformer with rel_pos_local attention; change_attention"
        )
    devices = jax.devices() if devices is None else devices
    mesh = jax.make_mesh((len(devices),), (TIME,), axis_types=(AxisType.Auto,), devices=devices)
    split, whole = NamedSharding(mesh, P(None, TIME)), NamedSharding(mesh, P())

    def encode(variables: Variables, features: Any, num_frames: Any) -> tuple[Any, Any]:
        apply: Any = model.apply
        return apply(variables, features, num_frames, method="encode_features")

    jitted = jax.jit(traced_over(encode, mesh), in_shardings=(whole, split, whole), out_shardings=(split, whole))
    return jitted, split, whole
