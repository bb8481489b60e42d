"""Tests the text front end of voices: ids and words, what is reported, sentences, and how it is stored."""

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import ArchiveError, TokenizerError
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import Lexicon, read_lexicon
from jaxspeech.text.phonemes import Letters, LexiconPhonemes
from jaxspeech.text.sentences import split_sentences
from jaxspeech.text.symbol_sets import arpabet, english_letters
from jaxspeech.text.symbols import SymbolTokenizer

WORDS = {"cat": [["K", "AE1", "T"]], "bus": [["B", "AH1", "S"]], "dog": [["D", "AO1", "G"]], "a": [["AH0"], ["EY1"]]}


def letters(**options):
    return FrontEnd(SymbolTokenizer(english_letters(), **options), Letters())


def phonemes(**options):
    return FrontEnd(SymbolTokenizer(arpabet(), pad_with_space=True), LexiconPhonemes(Lexicon(WORDS), **options))


@pytest.mark.parametrize("pad_with_space", [False, True])
def test_words_are_where_their_ids_are(pad_with_space):
    front_end = letters(pad_with_space=pad_with_space)
    spelled = front_end.spell("  Well—it's  a 'fine' day ☃, isn’t it? ☃☃")
    pieces = front_end.tokenizer.pieces
    found = [(word, "".join(pieces[i] for i in spelled.ids[first:last])) for word, first, last in spelled.words]
    words = ["well", "it's", "a", "fine", "day", "isn't", "it"]
    written = ["well—", "it's", "a", "'fine'", "day", "isn't", "it?"]
    assert found == list(zip(written, words, strict=True))
    assert spelled.unknown == ("—", "☃", "☃", "☃")
    assert front_end.tokenizer.decode(spelled.ids).strip() == "wellit's a 'fine' day , isn't it?"


def test_phonemes_have_words_too():
    spelled = phonemes().spell("Cats, |R EH1 D| a dog.")
    pieces = [arpabet()[i] for i in spelled.ids]
    found = [(word, pieces[first:last]) for word, first, last in spelled.words]
    assert found == [
        ("Cats,", ["K", "AE1", "T", "Z"]),
        ("|R EH1 D|", ["R", "EH1", "D"]),
        ("a", ["a"]),
        ("dog.", ["D", "AO1", "G"]),
    ]


def test_options_of_pronunciations():
    def said(word, **options):
        return "".join(phonemes(**options).pronunciations.parts(word)[0].symbols)

    assert [said(word, endings="sound")[-4:] for word in ("cats", "dogs", "bus's")] == ["AE1TS"[-4:], "O1GZ", "IH0Z"]
    assert (said("a"), said("a", ambiguous="first"), said("dog", heteronyms=["dog"])) == ("a", "AH0", "dog")
    assert said("dog-cat-x") == "DAO1G-KAE1T-x"
    with pytest.raises(TokenizerError, match="ambiguous 'last' of pronunciations is unknown"):
        phonemes(ambiguous="last")


def test_mixed_case_finds_words_in_capitals_and_keeps_their_letters():
    """As NeMo does, with ß, whose capital is two letters."""
    words = Lexicon({"Hallo": ["halo"], "Straße": ["ʃtʁasə"], "ART": ["aʁ"]})
    spoken = LexiconPhonemes(words, alphabet="ipa", case="mixed", accents=True, letter_prefix="#")
    said = ["".join(part.symbols) for part in spoken.parts("HALLO Hallo hallo Straße art ẞ") if part.text != " "]
    assert said == ["halo", "halo", "halo", "ʃtʁasə", "aʁ", " ẞ"]
    assert spoken.letters == {f"#{char}" for char in "HalloStraßeART"}


def test_unknown_symbols_are_named_once(caplog):
    caplog.set_level("WARNING", "jaxspeech.front_end")  # the command, run in this process, silences it
    front_end = letters()
    for _ in range(2):
        spelled = front_end.spell("\U0001f600 ñandú жар")
    assert len(caplog.records) == 1 and "'а', 'ж', 'р', '\U0001f600'" in caplog.text
    assert [word for word, _, _ in spelled.words] == ["nandu"]
    assert front_end.spell("  ").ids == front_end.spell("\u200b").ids == []


@pytest.mark.parametrize("made", [letters(pad_with_space=True), phonemes(heteronyms=["read"], endings="sound")])
def test_the_asset_comes_back_from_its_files(made):
    again = build_asset("front_end", made.config(), made.files())
    text = "The cat's bus, dogs read!"
    assert again.spell(text) == made.spell(text) and again.files() == made.files()
    assert made.files() == build_asset("front_end", again.config(), again.files()).files()


def test_damage_is_one_line():
    made = phonemes()
    for files in ({}, {**made.files(), "symbols.json": b"{"}, {**made.files(), "lexicon.txt.gz": b"no"}):
        with pytest.raises((ArchiveError, TokenizerError)):
            FrontEnd.build(made.config(), files)
    for symbols in (["a", " "], ["a", "a", " ", "<pad>"], ["", " ", "<pad>"]):
        with pytest.raises(TokenizerError):
            SymbolTokenizer(symbols)


def test_dictionaries_are_read_in_both_alphabets(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(";;; remark\nREAD  R EH1 D\nREAD(2)\tR IY1 D # now\n\nCafe\u0301  K AE0\n")
    read = read_lexicon(path)
    assert dict(read) == {"read": (("R", "EH1", "D"), ("R", "IY1", "D")), "café": (("K", "AE0"),)}
    assert dict(read.overridden(Lexicon({"read": [["R"]]})))["read"] == (("R",),)
    assert Lexicon.from_bytes(read.to_bytes()) == read
    path.write_text("WELL  wˈɛl\n")
    assert dict(read_lexicon(path, alphabet="ipa")) == {"WELL": (("w", "ˈ", "ɛ", "l"),)}
    with pytest.raises(TokenizerError, match="cannot be read"):
        read_lexicon(tmp_path / "none")
    path.write_text("\n")
    with pytest.raises(TokenizerError, match="has no line"):
        read_lexicon(path)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. J. Smith came. He left!  Why?", ["Dr. J. Smith came.", "He left!", "Why?"]),
        ('"Go." She went. See No. 5. I said no. Then', ['"Go."', "She went.", "See No. 5.", "I said no.", "Then"]),
        ("At 3 p.m. we\nleft\n\nA title\n\nThe end", ["At 3 p.m. we left", "A title", "The end"]),
        ("1. Do this. 2. The U.S. Army", ["1. Do this.", "2. The U.S. Army"]),
        ("好。很好！", ["好。", "很好！"]),
        ("It cost 3.50 today... Then more", ["It cost 3.50 today...", "Then more"]),
        (" \n", []),
    ],
)
def test_sentences(text, sentences):
    assert split_sentences(text) == sentences


def test_long_sentences_are_split_at_commas_then_spaces():
    parts = split_sentences("One two three four, five six seven eight nine. " + "x" * 25, longest=20)
    assert parts == ["One two three four,", "five six seven eight", "nine.", "x" * 20, "x" * 5]
    text = "word " * 2000
    assert " ".join(split_sentences(text, longest=200)) == text.strip()
