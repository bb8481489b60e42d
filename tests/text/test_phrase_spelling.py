"""Phrases in the tokens of each kind of tokenizer: forms, spellings, starts of words, and what cannot be spelled."""

import itertools

import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.phrase_spelling import spell_phrases
from jaxspeech.text.phrases import Phrase
from jaxspeech.text.sentencepiece import WORD_MARK
from jaxspeech.text.wordpiece import WordPieceTokenizer

LETTERS = CharTokenizer(" 'abcdefghijklmnopqrstuvwxyz")
PIECES = WordPieceTokenizer("\n".join(["[UNK]", "sea", "s", "##e", "##a", "##ea", "the", "Sea"]).encode())


class Marked:
    """Pieces with the mark of a word, always the longest."""

    def __init__(self, *pieces):
        self.pieces, self.vocab_size = pieces, len(pieces)

    def encode(self, text, language=None):
        text, ids = (WORD_MARK + text.replace(" ", WORD_MARK)) * bool(text), []
        while text:
            piece = max((p for p in self.pieces if text.startswith(p)), key=len, default=None)
            if piece is None:
                raise TokenizerError(text)
            ids.append(self.pieces.index(piece))
            text = text[len(piece) :]
        return ids

    def decode(self, ids):
        return "".join(self.pieces[i] for i in ids).replace(WORD_MARK, " ").strip()

    def word_spans(self, ids):
        return []

    def config(self):
        return {}

    def files(self):
        return {}


def spelled(phrases, tokenizer, **options):
    found = spell_phrases([Phrase(p) if isinstance(p, str) else p for p in phrases], tokenizer, **options)
    return {tuple(tokenizer.pieces[i] for i in ids) for ids in found.ids}, found


def between_spaces(*texts):
    """A phrase of letters, alone and before the next word."""
    return {(" ", *text, *after) for text in texts for after in ("", " ")}


def test_letters_after_a_space_in_the_case_of_the_alphabet():
    words, found = spelled(["McDonald's", "new york"], LETTERS)
    assert words == between_spaces("mcdonald's", "new york")
    assert (found.space, found.between, found.unspelled) == (0, True, ())
    capitals = CharTokenizer(" ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert spelled(["Łódź-East"], capitals)[1].unspelled == ("Łódź-East",)  # Ł is a letter of its own
    assert spelled(["Zoë-East"], capitals)[0] == between_spaces("ZOE EAST")


def test_every_case_that_the_tokenizer_has_unless_it_is_exact():
    assert spelled(["sea"], PIECES, spellings=1)[0] == {("sea",), ("Sea",)}
    assert spelled(["Sea"], PIECES, spellings=1)[0] == {("sea",), ("Sea",)}
    cased = CharTokenizer(" nwyorkNY")
    expected = between_spaces("new york", "New york", "New York")
    assert spelled(["new york"], CharTokenizer(" nweyorkNY"))[0] == expected
    assert spelled(["new york"], cased)[1].unspelled == ("new york",)
    assert spelled([Phrase("Sea", exact=True)], PIECES, spellings=1)[0] == {("Sea",)}


def test_other_spellings_have_the_fewest_tokens():
    words, _ = spelled(["the sea"], PIECES, spellings=3)
    assert words == {("the", "sea"), ("the", "s", "##ea"), ("the", "s", "##e", "##a")}
    # Against all ways to spell a word.
    tokenizer = Marked(*(WORD_MARK + w for w in ("a", "ab", "abc")), "a", "b", "c", "ab", "bc", "ca", WORD_MARK)
    text = WORD_MARK + "abcab"
    cuts = (sorted(c) for n in range(len(text)) for c in itertools.combinations(range(1, len(text)), n))
    ways = [[text[a:b] for a, b in itertools.pairwise([0, *cut, len(text)])] for cut in cuts]
    ways = [tuple(way) for way in ways if all(p in tokenizer.pieces for p in way) and way[0] != WORD_MARK]
    words, found = spelled(["abcab"], tokenizer, spellings=3)
    assert len(words) == 3
    assert sorted(map(len, words)) == sorted(map(len, ways))[:3]
    assert words <= set(ways)
    assert tuple(tokenizer.encode("abcab")) in found.ids
    assert (found.space, found.between) == (tokenizer.pieces.index(WORD_MARK), False)


def test_words_without_spaces_between_them_follow_another_without_a_mark():
    tokenizer = Marked(WORD_MARK, WORD_MARK + "東", "東", "京")
    assert spelled(["東京"], tokenizer)[0] == {(WORD_MARK + "東", "京"), ("東", "京")}
    assert spelled(["東京"], CharTokenizer(" 東京a"))[0] == {("東", "京")}


def test_what_cannot_be_spelled_is_named_and_the_larger_weight_counts():
    found = spell_phrases([Phrase("sea"), Phrase("日本"), Phrase("Sea", -2.0)], PIECES, spellings=1)
    assert found.unspelled == ("日本",)
    assert set(found.weights) == {-2.0}


def test_a_phrase_is_spelled_in_its_language_or_in_all_that_can():
    both = AggregateTokenizer({"en": Marked(WORD_MARK + "a", "b"), "de": Marked(WORD_MARK + "a", "b", "ä")})
    assert set(spell_phrases([Phrase("ab")], both, spellings=1).ids) == {(0, 1), (2, 3)}
    assert set(spell_phrases([Phrase("ab", language="de")], both).ids) == {(2, 3)}
    assert set(spell_phrases([Phrase("aä")], both).ids) == {(2, 4)}
    with pytest.raises(TokenizerError, match="'fr'"):
        spell_phrases([Phrase("ab", language="fr")], both)
