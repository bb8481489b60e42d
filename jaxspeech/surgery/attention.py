"""Full attention to local attention, and back; and the local form of a model, for recordings that are too long."""

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.surgery.stated import changed
from jaxspeech.tasks.task import Task
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
    return changed(archive, model=model, variables=variables)


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
