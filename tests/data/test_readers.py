"""The corpus of several readers: each has one voice that the quickstart trains on, and one manner."""

import re

from jaxspeech.data.quickstart import split_variants
from jaxspeech.data.readers import READERS, plan
from tests.data.test_quickstart import VARIANTS


def test_readers_are_heard_voices_of_one_manner_each():
    parts = plan(VARIANTS, train=3 * READERS, dev=READERS)
    heard, unheard = split_variants(VARIANTS)
    for utterances in parts.values():
        assert {u.voice.partition("+")[2] for u in utterances} <= {*heard} - {*unheard}
    assert all(re.fullmatch(r"[a-z']+( [a-z']+)*", u.text) for u in parts["train"])
    first = parts["train"][:READERS]
    for i, u in enumerate(first):
        for later in parts["train"][i::READERS]:
            assert (later.voice, later.rate, later.pitch) == (u.voice, u.rate, u.pitch)
    assert plan(VARIANTS, train=READERS, dev=1)["train"] == first
