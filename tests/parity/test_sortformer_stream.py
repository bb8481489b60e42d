"""Compares every state and output of streaming Sortformer with NeMo's, by its rule for rows of one length."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.diarization.compression import compress
from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.forms.speaker_streaming import speaker_streaming
from jaxspeech.interop.nemo.load import load_nemo
from tests.parity.reference import arrays_of, reference

# Reference -> what the names of its arrays begin with.
STREAMS = {"sortformer_stream": "", "sortformer_async": "sync."}
# NeMo's names of the state -> ours, and our number of real frames.
STATES = {
    "spkcache": ("frames", "num_frames"),
    "spkcache_preds": ("predictions", "num_frames"),
    "fifo": ("queue", "num_queued"),
    "fifo_preds": ("queue_predictions", "num_queued"),
    "mean_sil_emb": ("silence", None),
    "n_sil_frames": ("num_silent", None),
}


def sizes_of(settings):
    """NeMo's names of the sizes -> ours."""
    names = {
        "chunk": "chunk_len",
        "left": "chunk_left_context",
        "right": "chunk_right_context",
        "cache": "spkcache_len",
        "queue": "fifo_len",
        "update": "spkcache_update_period",
        "silence": "spkcache_sil_frames_per_spk",
        "silence_below": "sil_threshold",
        "least_probability": "pred_score_threshold",
        "latest_bonus": "scores_boost_latest",
        "strong_share": "strong_boost_rate",
        "weak_share": "weak_boost_rate",
        "clean_share": "min_pos_scores_rate",
    }
    return {ours: settings[theirs] for ours, theirs in names.items()}


@pytest.mark.parametrize("name", STREAMS)
def test_states_and_outputs(name, request):
    file, nemo, notes = reference(name, request)
    archive = load_nemo(file)
    task, prefix = build(archive.model), STREAMS[name]
    form = speaker_streaming(task)
    assert sizes_of(notes["config"]["sortformer_modules"]).items() <= vars(form.settings).items()
    audio, lengths = nemo["audio"], nemo["audio_len"].astype(int)
    step, variables = jax.jit(form.step), form.prepare(archive.variables)
    state = form.start(len(audio))
    padded = np.pad(audio, ((0, 0), (form.lead_in, form.window)))
    compared, parts, returned = set(), [], np.zeros(len(audio), int)
    for number in range(sum(f"{prefix}step{i}.chunk_len" in nemo for i in range(1000))):
        begins = np.array([form.begin(int(n)) for n in returned])
        ends = np.minimum(begins + form.window, lengths + form.lead_in)
        samples = np.full((len(audio), form.window), np.nan, np.float32)
        for row, begin, end in zip(range(len(audio)), begins, ends, strict=True):
            samples[row, : max(end - begin, 0)] = padded[row, begin:end]
        found, state = step(variables, state, samples, np.maximum(ends - begins, 0))
        returned += np.asarray(found.num_frames)
        parts.append(found)
        # NeMo keeps the padding of a row that has ended.
        whole = np.flatnonzero(found.num_frames == form.settings.chunk)
        for theirs, (ours, count) in STATES.items():
            key = f"{prefix}step{number}.{theirs}"
            for row in whole if key in nemo else ():
                value, expected = np.asarray(getattr(state.cache, ours)[row]), nemo[key][row]
                if count is not None:
                    assert getattr(state.cache, count)[row] == len(expected), key
                    value = value[: len(expected)]
                np.testing.assert_allclose(value, expected, atol=1e-4, err_msg=key)
                compared.add(theirs)
    for row in range(len(audio)):
        ours = np.concatenate([part.probabilities[row, : part.num_frames[row]] for part in parts])
        np.testing.assert_allclose(ours, nemo[f"{prefix}preds"][row, : len(ours)], atol=1e-4)
        assert len(ours) == -(-int(nemo["feats_len"][row]) // 8)
    assert {"spkcache", "spkcache_preds", "fifo", "mean_sil_emb"} <= compared


def test_compression(request):
    nemo, notes = arrays_of("sortformer_async", request)
    settings = StreamSettings(**sizes_of(notes["config"]["sortformer_modules"]))
    cases = [name.removesuffix(".emb") for name in nemo if name.startswith("compress") and name.endswith(".emb")]
    for case in cases:
        frames, predictions, silence = (nemo[f"{case}.{part}"] for part in ("emb", "preds", "mean_sil"))
        chosen = StreamSettings(**{**vars(settings), "cache": nemo[f"{case}.out_emb"].shape[1]})
        count = jnp.full(len(frames), frames.shape[1])
        found = jax.vmap(partial(compress, settings=chosen))(frames, predictions, count, silence)
        np.testing.assert_allclose(found.frames, nemo[f"{case}.out_emb"], atol=1e-6)
        np.testing.assert_allclose(found.predictions, nemo[f"{case}.out_preds"], atol=1e-6)
    assert cases
