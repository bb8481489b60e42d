"""Parses the options of every verb.

`--name=value` and `--name value` are equivalent, also with one dash. A switch is `--name` or `--noname`. Options and
other arguments may be in any order. A mistake raises a one-line ConfigError, which suggests the nearest known option.
"""

import argparse
import itertools
import os
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from jaxspeech.errors import ConfigError


class Switch(argparse.Action):
    """Sets True for `--name`, False for `--noname`."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, option_string == self.option_strings[0])


class Parser(argparse.ArgumentParser):
    """An argparse parser with the rules above.

    Args:
      prog: name of the program in the help.
      description: the text before the list of options, printed without reformatting.
    """

    def __init__(self, *, prog: str, description: str | None = None):
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._collected: dict[str, str] = {}

    def add_switch(self, name: str, *, help: str, default: bool | None = False) -> None:
        """Adds `--name` and `--noname`, False by default."""
        self.add_argument(f"--{name}", f"--no{name}", dest=name, action=Switch, nargs=0, default=default, help=help)

    def collect(self, prefix: str, *, dest: str) -> None:
        """Collects options that begin with `--prefix.` (or `--noprefix.`), with their values, in the list `dest`."""
        self._collected[prefix] = dest

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parses a command line.

        Raises:
          ConfigError: there is a mistake in it.
          SystemExit: after --help was printed.
        """
        ours, collected = self._split([self._spell(argument) for argument in argv])
        # Checked before argparse, which would report that the correctly spelled option is missing.
        for argument in itertools.takewhile(lambda argument: argument != "--", ours):
            if argument.startswith("--") and argument.partition("=")[0] not in self._option_string_actions:
                self.error(self._unknown(argument))
        flags, unknown = self.parse_known_intermixed_args(ours)
        for argument in unknown:
            self.error(self._unknown(argument))
        for dest, arguments in collected.items():
            setattr(flags, dest, arguments)
        return flags

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError, whereas argparse would print the usage and end the process."""
        if found := re.match(r"the following arguments are required: (.*)", message):
            message = f"missing: {found[1]}; {self.prog} --help lists the options"
        raise ConfigError(message.removeprefix("argument "))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Prints the help; argparse would ignore that it cannot be written."""
        print(message, end="", file=file)

    def _spell(self, argument: str) -> str:
        """Rewrites an option with two dashes, and `--switch=false` as `--noswitch`."""
        found = re.fullmatch(r"--?([a-zA-Z]\w+)(=.*)?", argument, re.DOTALL)
        action = self._option_string_actions.get(f"--{found[1]}") if found else None
        if not found or action is None:
            return argument
        if isinstance(action, Switch) and found[2]:
            if (value := found[2][1:].lower()) not in ("true", "false", "1", "0"):
                self.error(f"--{found[1]}: a switch takes no value: use --{action.dest} or --no{action.dest}")
            return action.option_strings[value in ("false", "0")]
        return f"--{found[1]}{found[2] or ''}"

    def _split(self, argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
        """Separates our options from collected ones; the value of an option without "=" is the next argument."""
        ours: list[str] = []
        collected: dict[str, list[str]] = {dest: [] for dest in self._collected.values()}
        rest = iter(argv)
        for argument in rest:
            found = re.match(r"--?(?:no)?(\w+)\.", argument)
            dest = self._collected.get(found[1]) if found else None
            if dest is None:
                ours.append(argument)
                continue
            collected[dest].append(argument)
            if "=" not in argument:
                collected[dest] += [value for value in [next(rest, None)] if value is not None]
        return ours, collected

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"unexpected argument {argument}: options are written --name=value"
        name = argument.partition("=")[0]
        known = [option.lstrip("-") for option in self._option_string_actions]
        nearest = get_close_matches(name.lstrip("-"), known, n=1)
        hint = f"did you mean --{nearest[0]}?" if nearest else f"{self.prog} --help lists the options"
        return f"unknown option {name}; {hint}"


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option whose value is a whole number of `least` or more."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", value.strip()) or int(value) < least:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of {least} or more")
        return int(value)

    return parse


def names(value: str) -> list[str]:
    """The type of an option that lists names, separated by commas; for use with action="extend".

    Commas in the name of an existing file do not separate.
    """
    parts = [part for part in value.split(",") if part]
    found = []
    while parts:
        joined = (count for count in range(len(parts), 1, -1) if os.path.exists(",".join(parts[:count])))
        count = next(joined, 1)
        found.append(",".join(parts[:count]))
        parts = parts[count:]
    return found
