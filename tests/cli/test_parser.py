"""Every accepted spelling of an option, and the errors for all others."""

import pytest

from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.errors import ConfigError


def parse(*arguments):
    parser = Parser(prog="x")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--size", type=at_least(1), default=4)
    parser.add_argument("--kind", choices=("a", "b"))
    parser.add_argument("--list", type=names, action="extend", default=[])
    parser.add_argument("--config", default="none")
    parser.add_switch("fast", help="a switch")
    parser.collect("config", dest="overrides")
    return parser.parse(arguments)


@pytest.mark.parametrize("spelling", [["--size=7"], ["--size", "7"], ["-size=7"], ["-size", "7"]])
def test_a_value(spelling):
    assert parse(*spelling).size == 7


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("--fast", True), ("-fast", True), ("--fast=true", True), ("--nofast", False), ("--fast=False", False)],
)
def test_a_switch_takes_nothing_with_it(spelling, value):
    flags = parse("a", spelling, "b")
    assert flags.fast is value and flags.files == ["a", "b"]


def test_the_last_one_counts_and_lists_grow():
    flags = parse("--size=1", "--fast", "--list=a,b", "--nofast", "--size=2", "--list", "c")
    assert (flags.size, flags.fast, flags.list) == (2, False, ["a", "b", "c"])
    assert parse().list == []  # the default is unchanged


def test_options_and_arguments_in_any_order():
    flags = parse("one", "--size=2", "-", "--kind", "b", "two", "--", "--three")
    assert flags.files == ["one", "-", "two", "--three"] and flags.kind == "b"


def test_fields_of_a_config_are_collected_with_their_values():
    flags = parse("--config.a.b=1", "--size=2", "--config.c", "-3", "--noconfig.d=", "-config.e=x y", "--config=f")
    assert flags.overrides == ["--config.a.b=1", "--config.c", "-3", "--noconfig.d=", "-config.e=x y"]
    assert flags.config == "f" and flags.size == 2 and parse().overrides == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--sise=3", "unknown option --sise; did you mean --size?"),
        ("--size=none", "--size: 'none' is not a whole number of 1 or more"),
        ("--size=0", "--size: '0' is not a whole number of 1 or more"),
        ("--kind=c", "--kind: invalid choice: 'c'"),
        ("--fast=maybe", "--fast: a switch takes no value: use --fast or --nofast"),
        ("--size", "--size: expected one argument"),
        ("--si=3", "unknown option --si"),
        ("-z", "unknown option -z; x --help lists the options"),
    ],
)
def test_a_mistake_is_one_line(argument, message):
    with pytest.raises(ConfigError) as caught:
        parse("a", argument)
    assert message in str(caught.value) and "\n" not in str(caught.value)
