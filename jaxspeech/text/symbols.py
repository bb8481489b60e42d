"""Maps the symbols of a voice (letters, phonemes, punctuation) to ids: positions in a list that is kept, never rebuilt.

    symbols     [" ", "a", ..., "z", "'", ",", ".", ..., "<pad>", "<oov>"]
    encode      ["h", "i", "\\u2603", "!"] -> ids [8, 9, 30], places [0, 1, 3], unknown ("\\u2603",)

Source: NeMo's common/tokenizers/text_to_speech/tts_tokenizers.py, whose ids these are. NeMo rebuilds some lists from
a dictionary each time, so that another edition of it changes the ids.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jaxspeech.errors import TokenizerError

SPACE, PAD, BLANK, UNKNOWN = " ", "<pad>", "<blank>", "<oov>"
# Never written by `encode`.
_SPECIAL = (PAD, BLANK, UNKNOWN)


class Encoded(NamedTuple):
    """Symbols as ids.

    Attributes:
      ids: of the symbols that the list has.
      places: which of the given symbols each id stands for; -1 is a space that padding added.
      unknown: the symbols that the list lacks, in order, as often as they occurred.
    """

    ids: list[int]
    places: list[int]
    unknown: tuple[str, ...]


class SymbolTokenizer:
    """Maps symbols to ids and back.

    Attributes:
      pieces: the symbols by id.
      vocab_size: their number, the special ones included: the rows of an embedding.
      pad, space: ids of the padding and of the space.
      blank, oov: ids of the blank and of the unknown symbol; None if the list lacks them.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        collapse_spaces: bool = True,
        pad_with_space: bool = False,
        drop_stress: bool = False,
        separator: str = "",
    ):
        """Takes the list of symbols.

        Args:
          symbols: different ones, among them the space and "<pad>".
          collapse_spaces: whether a run of spaces is one, and none comes first; the last spaces always go.
          pad_with_space: whether each text begins and ends with a space.
          drop_stress: whether "AH0" is "AH": symbols of three letters and digits lose the last.
          separator: what `decode` writes between symbols.

        Raises:
          TokenizerError: a symbol is empty, twice in the list, or the space or "<pad>" is missing.
        """
        self.pieces = tuple(symbols)
        self.vocab_size = len(self.pieces)
        self._ids = {symbol: i for i, symbol in enumerate(self.pieces)}
        if not all(isinstance(symbol, str) and symbol for symbol in self.pieces):
            raise TokenizerError("the symbols of a voice must be strings, and none may be empty")
        if len(self._ids) < self.vocab_size:
            twice = next(symbol for i, symbol in enumerate(self.pieces) if self._ids[symbol] != i)
            raise TokenizerError(f"the symbol {twice!r} is twice in the list of a voice's symbols")
        for needed in (SPACE, PAD):
            if needed not in self._ids:
                raise TokenizerError(f"the symbols of a voice need {needed!r}")
        self.pad, self.space = self._ids[PAD], self._ids[SPACE]
        self.blank, self.oov = self._ids.get(BLANK), self._ids.get(UNKNOWN)
        self._known = {symbol: i for symbol, i in self._ids.items() if symbol not in _SPECIAL}
        self._options: dict[str, Any] = {
            "collapse_spaces": bool(collapse_spaces),
            "pad_with_space": bool(pad_with_space),
            "drop_stress": bool(drop_stress),
            "separator": str(separator),
        }
        self._collapse, self._pad_with_space, self._drop_stress, self._separator = self._options.values()

    def __contains__(self, symbol: str) -> bool:
        """Whether `encode` has an id for a symbol."""
        return self._unstressed(symbol) in self._known

    def encode(self, symbols: Iterable[str]) -> Encoded:
        """Returns the ids of symbols; those that the list lacks are left out, and named."""
        ids: list[int] = []
        places: list[int] = []
        unknown: list[str] = []
        for place, symbol in enumerate(symbols):
            found = self._known.get(self._unstressed(symbol))
            if found is None:
                unknown += [] if symbol == SPACE else [symbol]
            elif not (found == self.space and self._collapse and ids[-1:] in ([], [self.space])):
                ids.append(found)
                places.append(place)
        while ids and ids[-1] == self.space:
            ids.pop()
            places.pop()
        if self._pad_with_space:
            ids, places = [self.space, *ids, self.space], [-1, *places, -1]
        return Encoded(ids, places, tuple(unknown))

    def decode(self, ids: Iterable[Any]) -> str:
        """Returns the symbols of ids as one text, without the special ones."""
        pieces = [self.pieces[int(i)] for i in ids]
        return self._separator.join(piece for piece in pieces if piece not in _SPECIAL)

    def _unstressed(self, symbol: str) -> str:
        return symbol[:2] if self._drop_stress and len(symbol) == 3 and symbol.isalnum() else symbol

    def config(self) -> dict[str, Any]:
        """Returns the symbols and the options, from which `build` makes the tokenizer again."""
        return {"symbols": list(self.pieces), **self._options}

    def files(self) -> dict[str, bytes]:
        """Returns no file."""
        return {}

    @classmethod
    def build(cls, config: dict[str, Any], files: dict[str, bytes] | None = None) -> "SymbolTokenizer":
        """Makes the tokenizer from its config.

        Raises:
          TokenizerError: the config does not fit.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise TokenizerError(f"the symbols of a voice cannot be read ({error})") from error
