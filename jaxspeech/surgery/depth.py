"""Ends a recogniser's encoder after one of its middle layers."""

from jaxspeech.archive import Archive
from jaxspeech.forms.depth import with_depth
from jaxspeech.surgery.stated import changed


def change_depth(archive: Archive, num_layers: int) -> Archive:
    """Returns the model with the first layers of its encoder alone; see `forms.depth`.

    Args:
      archive: a recogniser with a CTC head.
      num_layers: that remain.

    Raises:
      ConfigError: the model cannot end after this layer.
    """
    model, variables = with_depth(archive.model, archive.variables, num_layers)
    return archive if model is archive.model else changed(archive, model=model, variables=variables)
