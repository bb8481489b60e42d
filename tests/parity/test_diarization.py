"""Compares windows, turns, scores and clusters of diarization with NeMo's."""

import json

import numpy as np
import pytest

from jaxspeech.diarization.affinity import Scale, affinity_of
from jaxspeech.diarization.anchors import count_beside_anchors
from jaxspeech.diarization.clustering import ClusterOptions, cluster
from jaxspeech.diarization.subsegments import merge_overlaps, subsegments
from jaxspeech.diarization.turns import Turn, Utterance, turns_of_labels
from jaxspeech.evaluation.cpwer import speaker_word_errors
from jaxspeech.evaluation.diarization import diarization_errors, total
from tests.diarization.voices import share_of_same
from tests.parity.reference import arrays_of

# The stretch that NeMo scored where the name of a score ends in "uem", in seconds.
SCORED = [(2.0, 25.0)]


def texts_of(name, request):
    """NeMo's texts and numbers; skips if they are missing."""
    file = request.getfixturevalue("refs") / f"{name}.json"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    return json.loads(file.read_text())


def turns(lines):
    return [Turn(float(start), float(end), speaker) for start, end, speaker in map(str.split, lines)]


def test_windows(request):
    notes = texts_of("diar_segments", request)
    cases = {name: case for name, case in notes.items() if isinstance(case, dict)}
    for name, case in cases.items():
        window, shift = map(float, name.split(".", 1)[1].split("_"))
        start = case["offset"]
        found = subsegments(np.array([(start, start + case["duration"])]), window=window, shift=shift, shortest=0.0)
        ours = np.stack([found.times[:, 0], np.diff(found.times)[:, 0]], 1)
        np.testing.assert_allclose(ours, case["scriptable"], atol=1e-9, err_msg=name)
    assert cases


def test_merged_segments_and_turns(request):
    notes = texts_of("diar_segments", request)
    for given, expected in notes["merge_float_intervals"]:
        ours = merge_overlaps(np.array(given).reshape(-1, 2))
        np.testing.assert_allclose(ours, np.array(expected).reshape(-1, 2), atol=1e-6)
    for times, labels, expected in notes["labels"]:
        assert turns_of_labels(np.array(times), np.array(labels)) == turns(expected)


@pytest.mark.parametrize("name", ["diar_der", "diar_der_vox"])
def test_error_rates(name, request):
    notes = texts_of(name, request)
    compared = 0
    for key, expected in notes["scores"].items():
        system, rest = key.split(".collar")
        whole, hundredths, mode, *more = rest.split(".")
        found = {
            recording: diarization_errors(
                turns(lines),
                turns(notes["hypotheses"][system].get(recording, [])),
                collar=float(f"{whole}.{hundredths}"),
                skip_overlap=mode == "skip_overlap",
                scored=SCORED if more == ["uem"] else None,
            )
            for recording, lines in notes["reference"].items()
        }
        pairs = [(expected, total(list(found.values())))]
        if more == ["per_file"]:
            pairs = [(expected[recording], found[recording]) for recording in expected]
        for theirs, ours in pairs:
            values = {part: ours.share(getattr(ours, part)) for part in ("missed", "false_alarm", "confusion")}
            assert values | {"DER": ours.der} == pytest.approx(theirs, abs=1e-6), key
            compared += 1
    assert compared > 0


def test_words_of_speakers(request):
    for case in texts_of("diar_der", request)["cpwer"]:
        sides = [[Utterance(0, 1, str(i), text) for i, text in enumerate(case[side])] for side in ("ref", "hyp")]
        assert speaker_word_errors(*sides).rate == pytest.approx(case["value"], abs=1e-9)


def scales_of(arrays, prefix=""):
    count = len(arrays[f"{prefix}counts"])
    return [Scale(arrays[f"{prefix}emb{i}"], arrays[f"{prefix}ts{i}"]) for i in range(count)]


def test_clusters(request):
    arrays, notes = arrays_of("diar_clustering", request)
    cases = [name.removesuffix(".counts") for name in arrays if name.endswith(".counts")]
    for case in cases:
        scales, weights = scales_of(arrays, f"{case}."), arrays[f"{case}.weights"].ravel().tolist()
        affinity = affinity_of(scales, weights=weights)
        for i, mapped in enumerate(affinity.maps):
            np.testing.assert_array_equal(mapped, arrays[f"{case}.map{i}"], err_msg=case)
        if f"{case}.affinity" in arrays:
            np.testing.assert_allclose(affinity.matrix(), arrays[f"{case}.affinity"], atol=1e-5, err_msg=case)
        if f"{case}.enhanced_count" in arrays:
            assert count_beside_anchors(scales[-1].embeddings) == arrays[f"{case}.enhanced_count"], case
        truth = len(set(arrays[f"{case}.truth"].tolist()))
        asked = {
            "unknown": {},
            "oracle": {"num_speakers": truth},
            "oracle_plus1": {"num_speakers": truth + 1},
            "max2": {"max_speakers": 2},
        }
        for name, options in asked.items():
            if f"{case}.labels_{name}" not in arrays:
                continue
            found = cluster(scales, ClusterOptions(weights=weights, **options))
            assert found.speakers == notes[f"{case}.num_speakers_{name}"], (case, name)
            assert share_of_same(found.labels, arrays[f"{case}.labels_{name}"]) == 1.0, (case, name)
            if name == "unknown":
                check_search(found.neighbours, arrays, notes, case, scales[-1].times, found.labels)
    assert cases


def check_search(ours, arrays, notes, case, times, labels):
    """The numbers of neighbours, the ratios of gaps, the counts of speakers; and the turns of the labels."""
    if f"{case}.nme.p_values" in arrays:
        np.testing.assert_array_equal(ours.tried, arrays[f"{case}.nme.p_values"], err_msg=case)
        # Greater ratios are those of graphs without a gap, where NeMo divides by its rounding errors.
        real = arrays[f"{case}.nme.g_p"] < 1e3
        np.testing.assert_allclose(ours.ratios[real], arrays[f"{case}.nme.g_p"][real], rtol=1e-3, err_msg=case)
        np.testing.assert_array_equal(ours.counts[real], arrays[f"{case}.nme.est_per_p"][real], err_msg=case)
        step = max(len(labels) // 512, 1)
        assert ours.chosen * step == arrays[f"{case}.nme.p_hat"] and ours.speakers == arrays[f"{case}.nme.est"], case
    found, theirs = turns_of_labels(times, labels), turns(notes[f"{case}.turns"])
    np.testing.assert_allclose([x[:2] for x in found], [x[:2] for x in theirs], atol=1e-4, err_msg=case)
    assert len({(one.speaker, other.speaker) for one, other in zip(found, theirs, strict=True)}) == len(set(labels))


@pytest.mark.slow
def test_clusters_of_parts(request):
    arrays, notes = arrays_of("diar_longform", request)
    settings = [name for name in notes if name.startswith(("unknown", "oracle"))]
    for name in settings:
        known, _, sizes = name.partition(".")
        clusters, part = map(int, sizes.split("_"))
        if part >= len(arrays["truth"]):
            continue  # one part: `test_clusters` is about these
        options = {"num_speakers": len(set(arrays["truth"].tolist()))} if known == "oracle" else {}
        weights = arrays["weights"].ravel().tolist()
        chosen = ClusterOptions(weights=weights, part=part, part_clusters=clusters, **options)
        found = cluster(scales_of(arrays), chosen)
        assert found.speakers == notes[name]["speakers"], name
        assert share_of_same(found.labels, arrays["truth"]) >= notes[name]["accuracy"], name
    assert settings
