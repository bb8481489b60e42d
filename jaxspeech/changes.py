"""A loaded model with another attention, another vocabulary or another search: archive in, archive out.

The weights that stay are shared between the two, not copied.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.forms.inference import with_search
from jaxspeech.tasks.task import Task
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

# What `change_attention` takes -> the encoder's field.
ATTENTION = {"full": "rel_pos", "local": "rel_pos_local"}
PROJECTIONS = ("query", "key", "value")


def change_attention(
    archive: Archive,
    attention: str,
    *,
    context: tuple[int, int] | None = None,
    global_frames: int = 0,
    global_spacing: int = 1,
    global_projections: bool = False,
) -> Archive:
    """The model with its frames attending to all ("full") or to a window ("local"); see `nn.local_attention`.

    Args:
      archive: a FastConformer or Conformer with relative positions.
      attention: "full" or "local".
      context: frames on the left and on the right; (128, 128) by default for "local", no limit for "full".
      global_frames, global_spacing, global_projections: of local attention. Own projections start as copies of those
        that the frames have.

    Raises:
      ConfigError: the model's attention cannot be changed so.
    """
    encoder = dict(archive.model["encoder"])
    if attention not in ATTENTION:
        raise ConfigError(f"attention {attention!r}{did_you_mean(str(attention), ATTENTION)}")
    if encoder["name"] != "fastconformer" or encoder.get("attention", "rel_pos") == "abs_pos":
        raise ConfigError(f"attention {attention!r}: only a Conformer with relative positions can change its attention")
    if context is not None and not (len(context) == 2 and all(isinstance(side, int) for side in context)):
        raise ConfigError(f"context {context!r}: it is how many frames on the left and on the right, (left, right)")
    encoder |= {"attention": ATTENTION[attention], "attention_style": "regular", "attention_context_weights": None}
    encoder["attention_context"] = tuple(context or ((128, 128) if attention == "local" else (-1, -1)))
    encoder |= dict(global_frames=global_frames, global_spacing=global_spacing, global_projections=global_projections)
    model = archive.model | {"encoder": encoder}
    build(model)  # checks the fields
    variables = _with_projections(archive.variables, keep=global_projections)
    return _changed(archive, model=model, variables=variables)


def without_padding_statistics(archive: Archive) -> Archive:
    """The model as it transcribes: no row of a batch depends on the padding, and so on the others.

    NeMo's group norms count it in their statistics, in training and of a batch; of one file there is none.
    """
    encoder = archive.model["encoder"]
    if encoder.get("conv_norm", "batch") != "group" or not encoder.get("norm_over_padding", False):
        return archive
    return archive._replace(model=archive.model | {"encoder": encoder | {"norm_over_padding": False}})


def local_form(archive: Archive) -> Task | None:
    """The model with local attention, for recordings too long for full attention; None where it has no such form.

    A model that was made for a window keeps it, and so its numbers; any other gets the default one.
    """
    encoder = archive.model["encoder"]
    context = tuple(encoder.get("attention_context", (-1, -1)))
    chunked = encoder.get("attention_style", "regular") != "regular"
    if encoder["name"] != "fastconformer" or encoder.get("attention", "rel_pos") != "rel_pos" or chunked:
        return None
    if not all(isinstance(side, int) for side in context) or encoder.get("global_frames"):
        return None
    return build(change_attention(archive, "local", context=context if min(context) >= 0 else None).model)


def _with_projections(tree: Variables, *, keep: bool) -> Variables:
    """Every attention with projections of its own for the global frames, or without."""
    tree = {
        name: _with_projections(value, keep=keep) if isinstance(value, dict) else value for name, value in tree.items()
    }
    if "query" not in tree:
        return tree
    own = {f"global_{name}": tree.get(f"global_{name}", tree[name]) for name in PROJECTIONS}
    return {name: value for name, value in tree.items() if name not in own} | (own if keep else {})


def change_vocabulary(archive: Archive, tokenizer: Tokenizer, *, seed: int = 0) -> Archive:
    """The model with another tokenizer, to be trained further: pieces that both have keep their weights.

    Args:
      archive: any recogniser.
      tokenizer: of the new vocabulary.
      seed: of the weights of the pieces that are new.
    """
    model = archive.model | {"decoder": archive.model["decoder"] | {"vocab_size": tokenizer.vocab_size}}

    @jax.jit
    def draw(key: Any) -> dict[Any, Any]:
        leaves = jax.tree_util.tree_leaves_with_path(build(model).init(key))
        return {_path(keys): leaf for keys, leaf in leaves if _axis_of_tokens(keys) is not None}

    drawn = draw(jax.random.key(seed))
    old_ids = {piece: i for i, piece in enumerate(archive.tokenizer.pieces)}
    kept = [(new, old_ids[piece]) for new, piece in enumerate(tokenizer.pieces) if piece in old_ids]

    def change(keys: Any, old: Any) -> Any:
        axis = _axis_of_tokens(keys)
        if axis is None:
            return old
        old, new = (jnp.moveaxis(jnp.asarray(x), axis, 0) for x in (old, drawn[_path(keys)]))
        # Behind the tokens: the blank, big blanks, durations, of which there are as many as before.
        rest = old[archive.tokenizer.vocab_size :]
        tokens = new[: tokenizer.vocab_size].astype(old.dtype)
        if kept:
            to, source = (jnp.asarray(ids) for ids in zip(*kept, strict=True))
            tokens = tokens.at[to].set(old[source])
        return jnp.moveaxis(jnp.concatenate([tokens, rest]), 0, axis)

    variables = jax.tree_util.tree_map_with_path(change, archive.variables)
    return _changed(archive, model=model, tokenizer=tokenizer, variables=variables)


def _path(keys: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(key.key for key in keys)


def _axis_of_tokens(keys: tuple[Any, ...]) -> int | None:
    """The axis of a variable that runs over the tokens: an embedding's first, an output layer's last."""
    _, *module, leaf = _path(keys)
    if leaf == "table" and module[-1].startswith("embedding"):
        return 0
    return -1 if module in (["decoder", "out"], ["ctc_head", "out"], ["decoder", "joint", "out"]) else None


def change_decoding(
    archive: Archive, *, head: str | None = None, beam_size: int | None = None, max_symbols: int | None = None
) -> Archive:
    """The same model with another search; None leaves an option as it is.

    Args:
      archive: any recogniser.
      head: of a hybrid model, "transducer" or "ctc".
      beam_size: of a transducer; 1 is the greedy search.
      max_symbols: most tokens that a transducer emits at one frame.

    Raises:
      ConfigError: the model has no such choice.
    """
    model = with_search(archive.model, head=head, beam_size=beam_size)
    if max_symbols is not None:
        if model["task"] == "ctc":
            raise ConfigError("max_symbols: only a transducer has it, not CTC")
        model = model | {"search": {**model.get("search", {}), "max_symbols": max_symbols}}
    build(model)  # checks the options
    return _changed(archive, model=model)


def _changed(archive: Archive, **fields: Any) -> Archive:
    """The archive with other fields; what it states of the model's word error rate holds no longer."""
    metadata = {name: value for name, value in archive.metadata.items() if name != "evaluation"}
    return archive._replace(metadata=metadata, **fields)
