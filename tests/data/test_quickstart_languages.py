"""The corpus in two languages: what is said in which language, and by whom."""

from jaxspeech.data.quickstart import split_variants
from jaxspeech.data.quickstart_languages import QUICKSTART_EO, QUICKSTART_LANGUAGES
from jaxspeech.text.token_languages import line_language

VARIANTS = dict.fromkeys(("f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "iven", "iven2"), "")


def test_plan():
    parts = QUICKSTART_LANGUAGES.plan(VARIANTS, train=40, en=10, eo=10, mixed=10)
    assert {name: len(part) for name, part in parts.items()} == {"train": 40, "en": 10, "eo": 10, "mixed": 10}
    names = [one.name for part in parts.values() for one in part]
    assert len({*names}) == len(names)
    spoken = [line_language(one.fields["lang"]) for one in parts["train"]]
    assert spoken == ["en"] * 20 + ["eo"] * 20
    for one in parts["train"]:
        assert one.voice.startswith("eo+") == (one.fields["lang"] == "eo") and not one.then
    _, unheard = split_variants(VARIANTS)
    for one in parts["mixed"]:
        [(text, voice)] = one.then
        words = [*one.text.split(), *text.split()]
        assert len(one.fields["lang"]) == len(words) and {*one.fields["lang"]} == {"en", "eo"}
        first = len(one.text.split())
        assert len({*one.fields["lang"][:first]}) == 1 and one.fields["lang"][0] != one.fields["lang"][first]
        assert one.voice.startswith("eo+") == (one.fields["lang"][0] == "eo")
        assert voice.partition("+")[2] == one.voice.partition("+")[2] in unheard
    texts = {one.text for one in parts["train"]}
    assert not texts & {
        text for name in ("en", "eo", "mixed") for one in parts[name] for text in (one.text, *dict(one.then))
    }


def test_a_half_is_what_the_whole_says():
    whole = QUICKSTART_LANGUAGES.plan(VARIANTS, train=6, en=2, eo=2, mixed=0)
    half = QUICKSTART_EO.plan(VARIANTS, train=3, eo=2)
    assert half["eo"] == whole["eo"]
    assert half["train"] == whole["train"][3:]


def test_recordings_to_train_on_can_be_joined_without_a_pause():
    parts = QUICKSTART_LANGUAGES.plan(VARIANTS, train=200, en=10, eo=10, mixed=10)
    for edge in (0, 1):
        abrupt = [one.silence[edge] == 0 for one in parts["train"]]
        assert 60 < sum(abrupt) < 140
    assert all(one.silence[0] > 0 for name in ("en", "eo", "mixed") for one in parts[name])
