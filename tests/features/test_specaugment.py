import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.specaugment import SpecAugment, spec_augment

ROWS, FRAMES, BINS = 2000, 60, 40
LENGTHS = np.where(np.arange(ROWS) % 2, 60, 20)
KEY = jax.random.key(0)
jitted = jax.jit(spec_augment, static_argnames=tuple(SpecAugment.__dataclass_fields__))


def hidden(key=KEY, **fields):
    """Mask of the ROWS x FRAMES x BINS features that become zero."""
    ones = np.ones((ROWS, FRAMES, BINS), np.float32)
    return masked(key, ones, LENGTHS, **fields) == 0


def masked(key, features, lengths, **fields):
    return np.asarray(jitted(key, features, lengths, **fields))


def starts_and_widths(masks):
    """Start and width of the span in each row of [B N], for rows that have one."""
    masks = masks[masks.any(1)]
    widths = masks.sum(1)
    starts = masks.argmax(1)
    positions = np.arange(masks.shape[1])
    inside = (starts[:, None] <= positions) & (positions < (starts + widths)[:, None])
    np.testing.assert_array_equal(inside, masks)  # one contiguous span
    return starts, widths


def assert_uniform(draws, low, high):
    """Check that draws are uniform in low .. high - 1: every value occurs, all about equally often."""
    counts = np.bincount(draws, minlength=high)
    assert counts[:low].sum() == 0 and len(counts) == high
    expected = len(draws) / (high - low)
    assert np.all(np.abs(counts[low:] - expected) < 5 * np.sqrt(expected))


def test_nothing_is_hidden_by_default():
    assert not hidden().any()


def test_one_band_has_uniform_width_and_place():
    mask = hidden(freq_masks=1, freq_width=8)
    for length in (20, 60):
        assert np.all(mask[length == LENGTHS][:, :length] == mask[length == LENGTHS][:, :1])
        assert not mask[length == LENGTHS][:, length:].any()
    starts, widths = starts_and_widths(mask[:, 0])
    assert_uniform(mask[:, 0].sum(1), 0, 8)
    for width in (1, 7):
        assert_uniform(starts[widths == width], 0, BINS - width)


@pytest.mark.parametrize("length", [20, 60])
def test_one_stretch_of_frames_lies_inside_the_utterance(length):
    mask = hidden(time_masks=1, time_width=5)[length == LENGTHS]
    assert np.all(mask == mask[:, :, :1])
    starts, widths = starts_and_widths(mask[:, :, 0])
    assert_uniform(mask[:, :, 0].sum(1), 0, 5)
    assert_uniform(starts[widths == 4], 0, length - 4)


def test_a_share_adapts_to_each_utterance():
    mask = hidden(time_masks=1, time_width=0.5)[:, :, 0]
    assert_uniform(mask[LENGTHS == 20].sum(1), 0, 10)
    assert_uniform(mask[LENGTHS == 60].sum(1), 0, 30)


def test_a_width_beyond_the_utterance_is_cut():
    mask = hidden(time_masks=1, time_width=1000)[:, :, 0]
    assert_uniform(mask[LENGTHS == 20].sum(1), 0, 20)
    assert not mask[LENGTHS == 20][:, 20:].any()


def test_cutouts_are_rectangles_with_sides_up_to_their_widths():
    mask = hidden(cutout_masks=1, cutout_freq_width=6, cutout_time_width=3)
    rows, columns = mask.any(2), mask.any(1)
    np.testing.assert_array_equal(mask, rows[:, :, None] & columns[:, None, :])
    there = rows.any(1)
    starts, widths = starts_and_widths(columns)
    assert_uniform(widths, 1, 7)
    assert_uniform(starts, 0, BINS - 6 + 1)
    for length in (20, 60):
        starts, widths = starts_and_widths(rows[there & (length == LENGTHS)])
        assert_uniform(widths, 1, 4)
        assert_uniform(starts, 0, length - 3 + 1)


def test_several_masks_are_independent():
    # A feature is hidden unless all three stretches miss it.
    one = hidden(time_masks=1, time_width=10)[LENGTHS == 60][:, 30, 0].mean()
    three = hidden(time_masks=3, time_width=10)[LENGTHS == 60][:, 30, 0].mean()
    assert three == pytest.approx(1 - (1 - one) ** 3, abs=0.03)


def test_the_mask_depends_on_the_key_alone():
    options = {"freq_masks": 2, "time_masks": 2, "cutout_masks": 2}
    first = hidden(**options)
    np.testing.assert_array_equal(first, hidden(**options))
    assert np.any(first != hidden(jax.random.key(1), **options))
    assert np.any(first[1] != first[3])  # utterances differ


def test_padding_stays_and_the_mask_value_goes_elsewhere():
    features = np.full((3, 10, 6), np.nan, np.float32)
    lengths = np.array([10, 4, 0])
    for row, length in zip(features, lengths, strict=True):
        row[:length] = 1
    result = masked(KEY, features, lengths, freq_masks=5, freq_width=6, mask_value=-3.0)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(features))
    assert set(np.unique(result[~np.isnan(result)])) == {-3, 1}


def test_module_draws_from_its_own_stream():
    features, lengths = np.ones((2, 10, 6), np.float32), np.array([10, 10])
    module = SpecAugment(freq_masks=3, freq_width=6)
    result = jax.jit(module.apply)({}, features, lengths, rngs={"specaugment": KEY})
    np.testing.assert_array_equal(result, masked(KEY, features, lengths, freq_masks=3, freq_width=6))


@pytest.mark.parametrize(
    "fields, message", [({"freq_masks": -1}, "freq_masks -1"), ({"time_width": 1.5}, "share above 1")]
)
def test_unusable_fields_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        SpecAugment(**fields)
