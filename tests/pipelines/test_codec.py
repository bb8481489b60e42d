"""A codec as a user has it: there and back, long recordings, streams, files, and what is refused."""

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.cli.main import main
from jaxspeech.errors import ConfigError
from jaxspeech.inference.code_files import write_wave
from jaxspeech.pipelines.codec import Codec

RATE = 8000
WAVES = {"name": "codec", "kernel_sizes": (3,), "dilations": (2,), "activation": "half_snake"}


def archive(padding: str) -> Archive:
    model = {
        "task": "codec",
        "sample_rate": RATE,
        "encoder": {**WAVES, "width": 4, "rates": (2, 3), "channels": 4, "padding": padding},
        "quantizer": {"name": "fsq", "groups": 2, "levels": (8, 5)},
        "decoder": {**WAVES, "rates": (3, 2), "channels": 8, "padding": padding, "grouped": padding == "causal"},
        "discriminator": {"periods": (2,), "period_channels": (2,), "resolutions": ()},
        "loss": {"resolutions": ((64, 16, 64),), "num_mels": (4,)},
    }
    # Filled here, as an initialisation takes long to compile.
    shapes, rng = jax.eval_shape(build(model).init, jax.random.key(1)), np.random.default_rng(1)

    def filled(path, x):
        positive = path[-1].key in ("alpha", "scale")
        return (rng.uniform(0.7, 1.3, x.shape) if positive else rng.normal(0, 0.3, x.shape)).astype(np.float32)

    return Archive(model, {}, jax.tree_util.tree_map_with_path(filled, shapes), {})


@pytest.fixture(scope="module")
def causal() -> Codec:
    return Codec(archive("causal"))


@pytest.fixture(scope="module")
def mirrored() -> Codec:
    return Codec(archive("reflect"))


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.3, size).astype(np.float32) for size in (347, 100)]


@pytest.fixture(scope="module")
def coded(causal, recordings):
    return causal.encode(recordings)


def test_there_and_back(causal, recordings, coded) -> None:
    codec = causal
    assert [found.ids.shape for found in coded] == [(2, 58), (2, 17)]
    assert len(np.unique(coded[0].ids)) > 8 and "discriminator" not in codec.variables["params"]
    assert [found.duration for found in coded] == [347 / RATE, 100 / RATE]
    decoded = codec.decode(coded)
    assert [found.samples.shape for found in decoded] == [(347,), (100,)]
    assert decoded[0].sample_rate == RATE and np.abs(decoded[0].samples).max() <= 1
    [whole] = codec.decode(coded[1].ids)
    np.testing.assert_array_equal(whole.samples[:100], decoded[1].samples)
    assert whole.samples.shape == (102,) and whole.source == "ids 0"
    # The kernels have their norms inside, with the same results.
    normed = archive("causal")
    task = build(normed.model)
    ids, _ = jax.jit(task.inference.encode)(normed.variables, recordings[1][None], np.array([100]))
    assert codec.config["encoder"]["kernel_norm"] == "none"
    np.testing.assert_array_equal(ids[0], coded[1].ids)
    np.testing.assert_allclose(codec.bits_per_second, 2 * np.log2(40) * RATE / 6)


def test_windows_give_the_numbers_of_the_whole(mirrored, recordings) -> None:
    """Whose ends are mirrored where the window's are not."""
    codec = mirrored
    coded = codec.encode(recordings)
    windows, before = codec._windows, codec._windows._window
    [wanted] = codec.decode(coded[0])
    windows._window = 20
    try:
        np.testing.assert_array_equal(windows.encode(codec.variables, recordings[0]), coded[0].ids)
        found = windows.decode(codec.variables, coded[0].ids)[:347]
    finally:
        windows._window = before
    np.testing.assert_allclose(found, wanted.samples, atol=1e-6)


def test_what_is_not_causal_has_no_streams(mirrored) -> None:
    with pytest.raises(ConfigError, match="cannot decode live: its decoder is not causal"):
        mirrored.decode_stream()
    with pytest.raises(ConfigError, match="cannot encode live: its encoder is not causal"):
        mirrored.encode_stream()


def test_streams_give_the_numbers_of_the_whole(causal, recordings, coded) -> None:
    codec = causal
    stream = codec.encode_stream()
    ids = [stream.feed(part) for part in np.split(recordings[0], range(60, 347, 60))] + [stream.finish()]
    np.testing.assert_array_equal(np.concatenate(ids, 1), coded[0].ids)
    with pytest.raises(ConfigError, match="finished"):
        stream.feed(recordings[0])
    stream = codec.decode_stream()
    samples = [stream.feed(part) for part in np.split(coded[0].ids, range(10, 58, 10), axis=1)]
    [wanted] = codec.decode(coded[0])
    np.testing.assert_allclose(np.concatenate(samples)[:347], wanted.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((3, 4), int), r"an array of int64 with the shape \(3, 4\); this codec has whole numbers \[2 T\]"),
        (np.zeros((2, 4)), "an array of float64"),
        (np.full((2, 4), 40), "ids from 40 to 40; this codec has those from 0 to 39"),
        ("a.wav", "decode takes ids"),
        (3, "decode takes ids"),
    ],
)
def test_what_are_no_ids(causal, ids, message) -> None:
    with pytest.raises(ConfigError, match=message):
        causal.decode(ids)


def test_a_bad_recording_is_one_line(causal) -> None:
    [found] = causal.encode("missing.wav", on_error="skip")
    assert found.error and "missing.wav" in found.error and not found.ids.size
    with pytest.raises(ConfigError, match=r"missing\.wav: was not encoded"):
        causal.decode([found])


def test_the_command(causal, recordings, tmp_path, capsys) -> None:
    codec = causal
    codec.save(tmp_path / "codec.jaxspeech")
    write_wave(tmp_path / "in" / "sub" / "a.wav", recordings[0], RATE)
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    model = f"--model={tmp_path / 'codec.jaxspeech'}"
    assert main(["codec", "encode", model, f"--output={tmp_path / 'codes'}", str(tmp_path / "in")]) == 0
    assert "2 files, 1 skipped" in (err := capsys.readouterr().err) and "broken.wav" in err
    with np.load(tmp_path / "codes" / "sub" / "a.npz") as file:
        assert file["ids"].shape == (2, 58) and file["ids"].dtype == np.uint16 and file["num_samples"] == 347
    (tmp_path / "codes" / "no.npz").write_bytes(b"nothing")
    assert main(["codec", "decode", model, f"--output={tmp_path / 'out'}", str(tmp_path / "codes"), "--strict"]) == 1
    assert "no.npz: is not a file of ids" in capsys.readouterr().err
    [again] = codec.encode(tmp_path / "out" / "sub" / "a.wav")
    assert again.num_samples == 347
    assert main(["codec", "decode", model, f"--output={tmp_path / 'out'}", str(tmp_path / "in")]) == 2
    assert "no .npz files in this folder" in capsys.readouterr().err
    assert main(["codec", "encode", model, f"--output={tmp_path / 'out'}"]) == 2
    assert "what is to be encoded?" in capsys.readouterr().err


def test_load_names_the_door(causal, tmp_path) -> None:
    causal.save(tmp_path / "codec.jaxspeech")
    with pytest.raises(jaxspeech.SpeechError, match=r"is a codec: jaxspeech\.load"):
        jaxspeech.load(tmp_path / "codec.jaxspeech", jaxspeech.Enhancer)
