"""Schedules that NeMo's reference file does not hold, and the message for a wrong config."""

import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.schedules import SCHEDULES, build_schedule


def rates(config, *, learning_rate=2.0, steps=100):
    schedule = build_schedule(config, learning_rate=learning_rate, steps=steps)
    return np.array([schedule(step) for step in range(steps + 10)])


def test_noam_hold_warms_up_holds_and_decays():
    got = rates({"name": "noam_hold", "warmup_steps": 9, "hold_steps": 20, "decay_rate": 1.0, "min_learning_rate": 0.3})
    np.testing.assert_allclose(got[:10], 2.0 * np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(got[10:29], 2.0)
    step = np.arange(29, 101)
    np.testing.assert_allclose(got[29:101], np.maximum(2.0 * 9 / (step - 20), 0.3), rtol=1e-6)
    np.testing.assert_allclose(got[101:], 0.3)


def test_wsd_decays_to_its_end():
    linear = rates({"name": "wsd", "warmup_ratio": 0.1, "hold_ratio": 0.5, "min_learning_rate": 0.5})
    np.testing.assert_allclose(linear[10:61], 2.0)
    np.testing.assert_allclose(linear[60:101], 2.0 - 1.5 * np.arange(41) / 40, rtol=1e-6)
    np.testing.assert_allclose(linear[100:], 0.5)
    root = rates({"name": "wsd", "warmup_steps": 10, "hold_steps": 50, "decay": "one_minus_sqrt"})
    np.testing.assert_allclose(root[60:101], 2.0 * (1 - np.sqrt(np.arange(41) / 40)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_finite_and_never_negative(name):
    config = {"name": name, **({"width": 64} if name == "noam" else {})}
    for warmup in (0, 7):
        got = rates({**config, "warmup_steps": warmup})
        assert np.all(np.isfinite(got)) and np.all(got >= 0) and got.max() > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "cosin"}, 'did you mean "cosine"'),
        ({"name": "cosine", "warmup_step": 3}, 'did you mean "warmup_steps"'),
        ({"name": "noam", "warmup_steps": 3}, '"noam" needs width'),
        ({"name": "cosine", "warmup_steps": 3, "warmup_ratio": 0.1}, "keep one"),
        ({"name": "cosine", "warmup_steps": 60, "constant_steps": 40}, "no step to decay"),
        ({"name": "wsd", "decay": "log"}, "one_minus_sqrt"),
    ],
)
def test_a_wrong_config_is_one_line(config, message):
    with pytest.raises(ConfigError, match=message) as error:
        rates(config)
    assert "\n" not in str(error.value)
