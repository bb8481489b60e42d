"""Changes fields of a recipe's config by the command line: --config.optimizer.learning_rate=1e-3."""

import re
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxspeech.errors import ConfigError


def load_config(recipe: str, overrides: Sequence[str]) -> ConfigDict:
    """Runs a recipe's get_config and changes fields of the returned config.

    Args:
      recipe: path of the recipe; then, after a colon, the argument of its get_config, if any.
      overrides: "--config.FIELD=VALUE", or field and value as two strings.

    Raises:
      ConfigError: the recipe cannot be run, has no such field, or the value has the wrong type.
    """
    argv = ["train", f"--config={recipe}", *overrides]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    try:
        _, *rest = values(argv)
        config: Any = values.config
    except (AttributeError, KeyError, ValueError) as error:
        message = _no_field(error)
        if not message:
            raise
    except (flags.Error, OSError) as error:
        # An error in the recipe arrives as text: the last line of its traceback, beginning with its class.
        message = re.sub(r"^[\w.]+Error: ", "", str(error).strip().split("\n")[-1].strip())
    else:
        if rest:
            raise ConfigError(f"unexpected argument {rest[0]}: options are written --name=value")
        return config
    raise ConfigError(message)


def _no_field(error: Exception) -> str:
    """The message for an unknown field; "" for any other error.

    ml_collections raises one of

        'learnin_rate'\\nDid you mean "learning_rate" instead of "learnin_rate"?
        Attribute <class 'int'>.foo does not exist and the type ... Attempting to lookup: steps.foo
        Could not parse 'data.train.0': SyntaxError(...)
    """
    while error.args and isinstance(error.args[0], KeyError):  # wrapped in an AttributeError
        error = error.args[0]
    text = str(error.args[0]) if error.args and not isinstance(error, AttributeError) else ""
    field = re.search(r"lookup: ([\w.]+)$|^(?:Could not parse )?'([^']+)'", text)
    meant = re.search(r'Did you mean ("[^"]+")', text)
    if not field:
        return ""
    return f"the config has no field '{field[1] or field[2]}'" + (f"; did you mean {meant[1]}?" if meant else "")
