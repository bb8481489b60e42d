"""The keys and values of the tokens so far, in arrays of a fixed size, so that one program serves every length.

A row's token n is at place n. Rows have different numbers of tokens; places from `count` on hold anything, and no
result depends on them.
"""

from typing import NamedTuple

from jaxtyping import Array, Int

from jaxspeech.nn.key_value_attention import KeysValues


class Cache(NamedTuple):
    """The tokens so far of each row, B leading in every leaf, so that a search selects rows by indexing.

    Attributes:
      layers: of each layer keys and values, [B G S K].
      count: number of tokens so far.
    """

    layers: tuple[KeysValues, ...]
    count: Int[Array, " B"]

    @property
    def most_tokens(self) -> int:
        """S, the tokens that a row has room for; those beyond it would be lost."""
        return self.layers[0].keys.shape[2]
