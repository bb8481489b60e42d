import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.lstm import LSTMEncoder
from jaxspeech.errors import ConfigError
from tests.encoders.properties import check_padding_and_batch, filled

SMALL = dict(num_layers=2, width=8, cell_width=12, subsampling_channels=4)


@pytest.mark.parametrize(
    "fields",
    [{}, {"frames_after": 1}, {"bidirectional": False, "subsampling": "striding"}],
    ids=["both", "1", "forward"],
)
def test_padding_and_batch_change_nothing(fields: dict) -> None:
    check_padding_and_batch(*filled(LSTMEncoder(**SMALL, **fields)))


@pytest.mark.parametrize("num_frames", [21, 24])
def test_the_backward_direction_starts_in_the_frame_after_a_recording(num_frames: int) -> None:
    """As if a recording alone ended with zeros up to the end of the subsampled frame that holds its next frame."""
    module, variables, features, _ = filled(LSTMEncoder(**SMALL, frames_after=1))
    batch = jnp.stack([features[0, :50], jnp.where(jnp.arange(50)[:, None] < num_frames, features[0, :50], jnp.nan)])
    encoded, num_encoded = module.apply(variables, batch, jnp.array([50, num_frames]))
    assert num_encoded.tolist() == [12, num_frames // 4] and encoded.shape[1] == 13

    end = -(-(num_frames + 1) // 4) * 4
    alone = jnp.pad(features[:1, :num_frames], ((0, 0), (0, end - num_frames), (0, 0)))
    expected, _ = LSTMEncoder(**SMALL).apply(variables, alone, jnp.array([end]))
    n = num_frames // 4
    np.testing.assert_allclose(encoded[1, :n], expected[0, :n], atol=1e-5)
    without, _ = LSTMEncoder(**SMALL).apply(variables, batch[1:], jnp.array([num_frames]))
    assert np.abs(without[0, :n] - expected[0, :n]).max() > 1e-3


def test_one_direction_does_not_look_ahead_and_two_do() -> None:
    for bidirectional in (False, True):
        module, variables, features, num_frames = filled(LSTMEncoder(**SMALL, bidirectional=bidirectional))
        encoded, _ = module.apply(variables, features, num_frames)
        changed, _ = module.apply(variables, features.at[:, 40:].add(1.0), num_frames)
        assert np.allclose(encoded[:, :10], changed[:, :10], atol=1e-5) != bidirectional


def test_an_odd_width_for_two_directions_raises() -> None:
    config = {"task": "ctc", "features": {"name": "mel"}, "decoder": {"name": "ctc", "vocab_size": 3}}
    with pytest.raises(ConfigError, match=r"model\.encoder: width is 7; with two directions it must be even"):
        build(config | {"encoder": {"name": "lstm", **SMALL, "width": 7}})
