"""Makes a tokenizer of the `tokenizers` library from Transformers' tokenizer.json and tokenizer_config.json.

The library reads the first, and Transformers changes what it has read as the second says: tokens are added, tokens
become special, and a Llama tokenizer of SentencePiece's pieces gets rules in the place of its own. The same is done
here, so that all ids are those of Transformers 5 (`TokenizersBackend`, `LlamaTokenizer`), which NeMo uses.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxspeech.errors import TokenizerError

CONTENT, SETTINGS = "tokenizer.json", "tokenizer_config.json"
MOST_BYTES = 1 << 27
# The roles of special tokens in the settings, and the lists of others.
BEGIN, END, PAD, UNKNOWN = ROLES = ("bos_token", "eos_token", "pad_token", "unk_token")
MORE = ("additional_special_tokens", "extra_special_tokens")
FLAGS = ("lstrip", "rstrip", "normalized", "single_word")
LLAMA = ("LlamaTokenizer", "LlamaTokenizerFast")


def read_tokenizer_json(content: bytes, settings: Mapping[str, Any]) -> Any:
    """Makes the library's tokenizer.

    Args:
      content: of tokenizer.json.
      settings: of tokenizer_config.json; {} for none.

    Raises:
      TokenizerError: a file is damaged or too large, they contradict each other, or the library is not installed.
    """
    try:
        library = importlib.import_module("tokenizers")
    except ImportError as error:
        raise TokenizerError(
            f'a {CONTENT} needs the extra "speechlm": python -m pip install "jaxspeech[speechlm]"'
        ) from error
    if len(content) > MOST_BYTES:
        raise TokenizerError(f"its {CONTENT} is larger than {MOST_BYTES} bytes")
    try:
        with panics_as_errors():
            tokenizer = library.Tokenizer.from_buffer(content)
    except TokenizerError:
        raise
    except Exception as error:  # the library has no class of its own
        raise TokenizerError(
            f"its {CONTENT} is damaged, or none that tokenizers {library.__version__} knows ({_short(error)})"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if settings.get("tokenizer_class") in LLAMA and b'"ByteLevel"' not in content:
        _set_llama_rules(library, tokenizer, settings)
    try:
        _add_tokens(library, tokenizer, settings)
    except TokenizerError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise TokenizerError(f"its {SETTINGS} is damaged: special tokens ({_short(error)})") from error
    return tokenizer


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """Parses a file of settings.

    Raises:
      TokenizerError: it is no JSON, or no dict.
    """
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"its {name} is not JSON, or damaged ({error!s:.100})") from error
    if not isinstance(found, dict):
        raise TokenizerError(f"its {name} is not a dict")
    return found


def token_of(settings: Mapping[str, Any], role: str) -> str:
    """Returns the text of a special token; "" for none.

    Raises:
      TokenizerError: it is no text.
    """
    return _text_of(settings.get(role))


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raises TokenizerError for what the library calls a panic, which Python's `Exception` does not include."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(f"the rules of its {CONTENT} fail at this text ({_short(error)})") from None


def _set_llama_rules(library: Any, tokenizer: Any, settings: Mapping[str, Any]) -> None:
    """A space before the first word of a text ("legacy": and after each special token), spaces as ▁, bytes in words."""
    space = settings.get("add_prefix_space") is not False
    scheme = ("always" if settings.get("legacy") else "first") if space else "never"
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = library.pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=False)
    decoders = library.decoders
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, *([decoders.Strip(" ", left=1)] if space else [])])


def _add_tokens(library: Any, tokenizer: Any, settings: Mapping[str, Any]) -> None:
    added = settings.get("added_tokens_decoder") or {}
    for i, token in sorted(((int(i), token) for i, token in added.items()), key=lambda pair: pair[0]):
        text = token["content"]
        if tokenizer.token_to_id(text) is None:
            flags = {name: bool(token.get(name)) for name in FLAGS}
            tokenizer.add_tokens([library.AddedToken(text, special=bool(token.get("special")), **flags)])
        if tokenizer.token_to_id(text) != i:
            raise TokenizerError(f"its {SETTINGS} gives the token {text!r} a different id: {i}")
    named = [token_of(settings, role) for role in ROLES]
    for text in filter(None, named):
        if tokenizer.token_to_id(text) is None:
            raise TokenizerError(f"its {SETTINGS} names the token {text!r}, which its {CONTENT} does not have")
    for name in MORE:
        more = settings.get(name) or ()
        named += map(_text_of, more.values() if isinstance(more, Mapping) else more)
    # One that is added already stays as it is there, special or not.
    already = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    tokenizer.add_special_tokens([text for text in dict.fromkeys(named) if text and text not in already])


def _text_of(token: Any) -> str:
    """The text of a token, which files give by itself or among its flags; "" for none."""
    if isinstance(token, Mapping):
        token = token.get("content")
    if token is not None and not isinstance(token, str):
        raise TokenizerError(f"its {SETTINGS} has the special token {token!r:.60}, which is no text")
    return token or ""


def _short(error: BaseException) -> str:
    return " ".join(f"{error}".split())[:150]
