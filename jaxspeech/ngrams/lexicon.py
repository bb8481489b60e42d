"""Makes what a search takes of an n-gram model over a recogniser's tokens, or over words, which it spells."""

import os
from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.graph import to_ngram
from jaxspeech.ngrams.load import load_ngrams
from jaxspeech.ngrams.model import UNKNOWN, NgramModel
from jaxspeech.search.ngram import Ngram
from jaxspeech.search.ngram_graph import Graph, pack, size_class
from jaxspeech.search.word_ngram import BEGINS, CONTINUES, NO_WORD, OTHER, SEPARATES, WordNgram
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer

WORD_MARK, CONTINUATION, SPACE, UNKNOWN_PIECE = "▁", "##", " ", "<unk>"
# Words by which the case of a model's words is compared with the tokenizer's.
SAMPLE = 2000


def load_fusible(given: str | os.PathLike[str] | NgramModel, tokenizer: Tokenizer) -> Ngram | WordNgram:
    """Returns the arrays of a model for a search with a tokenizer.

    Args:
      given: a model, or a file that `load_ngrams` reads.

    Raises:
      LanguageModelError: the file cannot be used; or the tokenizer can spell none of a model's words.
    """
    model = given if isinstance(given, NgramModel) else load_ngrams(given, tokenizer, over_words=True)
    return spelled(model, tokenizer) if model.words else to_ngram(model)


def spelled(model: NgramModel, tokenizer: Tokenizer) -> WordNgram:
    """Returns the arrays of a model over words, whose spellings are those of a tokenizer.

    A word is spelled as the tokenizer encodes it alone, in the case that the tokenizer knows: a model whose words are
    in capitals serves a recogniser of small letters. Words that it cannot spell are left out.

    Raises:
      LanguageModelError: the tokenizer can spell no word.
    """
    table = model.orders[0]
    unigrams = np.full(len(model.pieces), -np.inf)
    unigrams[table.tokens[table.tokens >= 0]] = table.log_probs[table.tokens >= 0]
    unknown = table.log_probs[table.tokens == UNKNOWN]
    spellings = _spellings(model.pieces, tokenizer)
    if not spellings:
        raise LanguageModelError(f"the tokenizer can spell none of the model's words, as {model.pieces[0]!r}")
    arcs, word_of, ahead = _tree(spellings, unigrams, float(unknown[0]) if unknown.size else -np.inf)
    sources, labels, targets = (np.array(column) for column in zip(*arcs, strict=True))
    # Every node but `OTHER` backs off to it.
    backoffs = np.full(len(ahead), OTHER)
    graph = Graph(
        sources,
        labels,
        ahead[targets] - ahead[sources],
        targets,
        backoffs,
        np.where(np.arange(len(ahead)) == OTHER, 0, ahead[OTHER] - ahead),
        np.zeros(len(ahead)),
        (NO_WORD, NO_WORD),
    )
    more = size_class(len(ahead)) - len(ahead)
    return WordNgram(
        words=to_ngram(model._replace(unknown_each=True)),
        spellings=pack(graph, tokenizer.vocab_size, probability=False),
        word_of=jnp.asarray(np.pad(word_of, (0, more)).astype(np.int32)),
        ahead=jnp.asarray(np.pad(ahead, (0, more)).astype(np.float32)),
        marks=jnp.asarray(_marks(tokenizer)),
    )


def _spellings(words: Iterable[str], tokenizer: Tokenizer) -> dict[tuple[int, ...], list[int]]:
    """Returns the words of each spelling, in the case of which the tokenizer can spell the most words."""
    unknown = tokenizer.pieces.index(UNKNOWN_PIECE) if UNKNOWN_PIECE in tokenizer.pieces else -1

    def encode(word: str) -> tuple[int, ...]:
        try:
            ids = tuple(tokenizer.encode(word))
        except Exception:  # whatever a tokenizer raises
            return ()
        return () if unknown in ids else ids

    words = list(words)
    sample = words[:: max(len(words) // SAMPLE, 1)]
    case = max((str, str.lower, str.upper), key=lambda case: sum(bool(encode(case(word))) for word in sample))
    found: dict[tuple[int, ...], list[int]] = {}
    for number, word in enumerate(words):
        if ids := encode(case(word)):
            found.setdefault(ids, []).append(number)
    return found


def _tree(
    spellings: dict[tuple[int, ...], list[int]], unigrams: np.ndarray, unknown: float
) -> tuple[list[tuple[int, int, int]], Int[np.ndarray, " S"], np.ndarray]:
    """Returns the arcs (node, token, node), and the word and the best word below of each node."""
    children: dict[tuple[int, int], int] = {}
    word_of, ahead = [-1, -1], [0.0, unknown]
    for ids, words in spellings.items():
        word = max(words, key=lambda word: unigrams[word])
        node = NO_WORD
        for token in ids:
            node = children.setdefault((node, token), len(word_of))
            if node == len(word_of):
                word_of.append(-1)
                ahead.append(-np.inf)
            ahead[node] = max(ahead[node], float(unigrams[word]))
        word_of[node] = word
    return [(*key, node) for key, node in children.items()], np.array(word_of), np.array(ahead)


def _marks(tokenizer: Tokenizer) -> Int[np.ndarray, " V"]:
    """Returns what each token does, see `search.word_ngram`."""

    def mark(piece: str) -> int:
        if piece == SPACE:
            return SEPARATES
        if isinstance(tokenizer, WordPieceTokenizer):
            return CONTINUES if piece.startswith(CONTINUATION) else BEGINS
        return BEGINS if piece.startswith(WORD_MARK) else CONTINUES

    return np.array([mark(piece) for piece in tokenizer.pieces], np.int32)
