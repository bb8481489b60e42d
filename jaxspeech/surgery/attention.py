"""Switches a model between full, local and chunked attention."""

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.forms.transcribing import ATTENTION, with_attention
from jaxspeech.surgery.stated import changed
from jaxspeech.types import Variables

PROJECTIONS = ("query", "key", "value")


def change_attention(
    archive: Archive,
    attention: str,
    *,
    context: tuple[int, int] | tuple[int, int, int] | None = None,
    global_frames: int = 0,
    global_spacing: int = 1,
    global_projections: bool = False,
) -> Archive:
    """Returns the model with attention to all frames ("full"), to a window ("local") or to a chunk and its neighbours.

    See `nn.local_attention` for "local", and `encoders.chunk_context` for "chunked", which unified models are trained
    for; "full" undoes it.

    Args:
      archive: a FastConformer or Conformer with relative positions.
      attention: "full", "local" or "chunked".
      context: frames on the left and on the right; the default is (128, 128) for "local", no limit for "full". For
        "chunked" frames on the left, of a chunk, and on the right, by default (70, 13, 13).
      global_frames, global_spacing, global_projections: see `nn.local_self_attention`. Separate projections are
        initialised with copies of the usual ones.

    Raises:
      ConfigError: the model's attention cannot be changed in this way.
    """
    encoder = archive.model["encoder"]
    if attention not in ATTENTION:
        raise ConfigError(f"attention {attention!r}{did_you_mean(str(attention), ATTENTION)}")
    if encoder["name"] != "fastconformer" or encoder.get("attention", "rel_pos") == "abs_pos":
        raise ConfigError(f"attention {attention!r}: only a Conformer with relative positions can change its attention")
    sizes = "left, chunk, right" if attention == "chunked" else "left, right"
    if context is not None and not (
        len(context) == len(sizes.split(", ")) and all(isinstance(side, int) for side in context)
    ):
        raise ConfigError(f"context {context!r}: {attention!r} attention takes frames ({sizes})")
    global_options = dict(
        global_frames=global_frames, global_spacing=global_spacing, global_projections=global_projections
    )
    model = with_attention(archive.model, attention, context=context, **global_options)
    build(model)  # checks the fields
    variables = _with_projections(archive.variables, keep=global_projections)
    return changed(archive, model=model, variables=variables)


def _with_projections(tree: Variables, *, keep: bool) -> Variables:
    """Adds separate projections for the global frames to every attention, or removes them."""
    tree = {
        name: _with_projections(value, keep=keep) if isinstance(value, dict) else value for name, value in tree.items()
    }
    if "query" not in tree:
        return tree
    own = {f"global_{name}": tree.get(f"global_{name}", tree[name]) for name in PROJECTIONS}
    return {name: value for name, value in tree.items() if name not in own} | (own if keep else {})
