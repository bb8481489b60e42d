"""Switches between full and local attention, and derives the local form of a model for long recordings."""

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.surgery.stated import changed
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# The argument of `change_attention` -> the encoder's field.
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
    """Returns the model with attention to all frames ("full") or to a window ("local"); see `nn.local_attention`.

    Args:
      archive: a FastConformer or Conformer with relative positions.
      attention: "full" or "local".
      context: frames on the left and on the right; the default is (128, 128) for "local", no limit for "full".
      global_frames, global_spacing, global_projections: see `nn.local_self_attention`. Separate projections are
        initialised with copies of the usual ones.

    Raises:
      ConfigError: the model's attention cannot be changed in this way.
    """
    encoder = dict(archive.model["encoder"])
    if attention not in ATTENTION:
        raise ConfigError(f"attention {attention!r}{did_you_mean(str(attention), ATTENTION)}")
    if encoder["name"] != "fastconformer" or encoder.get("attention", "rel_pos") == "abs_pos":
        raise ConfigError(f"attention {attention!r}: only a Conformer with relative positions can change its attention")
    if context is not None and not (len(context) == 2 and all(isinstance(side, int) for side in context)):
        raise ConfigError(f"context {context!r}: give the frames on the left and on the right, (left, right)")
    encoder |= {"attention": ATTENTION[attention], "attention_style": "regular", "attention_context_weights": None}
    encoder["attention_context"] = tuple(context or ((128, 128) if attention == "local" else (-1, -1)))
    encoder |= dict(global_frames=global_frames, global_spacing=global_spacing, global_projections=global_projections)
    model = archive.model | {"encoder": encoder}
    build(model)  # checks the fields
    variables = _with_projections(archive.variables, keep=global_projections)
    return changed(archive, model=model, variables=variables)


def without_padding_statistics(archive: Archive) -> Archive:
    """Returns the model for inference, in which padding does not affect the statistics of group norms.

    NeMo's group norms count padded frames in their statistics, so in a batch a row depends on the length of the others.
    A single file has no padding.
    """
    encoder = archive.model["encoder"]
    if encoder.get("conv_norm", "batch") != "group" or not encoder.get("norm_over_padding", False):
        return archive
    return archive._replace(model=archive.model | {"encoder": encoder | {"norm_over_padding": False}})


def local_form(archive: Archive) -> Task | None:
    """Builds the model with local attention, for recordings too long for full attention; None if it has no local form.

    A model trained with a limited context keeps this context, and so its outputs; any other gets the default context.
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
    """Adds separate projections for the global frames to every attention, or removes them."""
    tree = {
        name: _with_projections(value, keep=keep) if isinstance(value, dict) else value for name, value in tree.items()
    }
    if "query" not in tree:
        return tree
    own = {f"global_{name}": tree.get(f"global_{name}", tree[name]) for name in PROJECTIONS}
    return {name: value for name, value in tree.items() if name not in own} | (own if keep else {})
