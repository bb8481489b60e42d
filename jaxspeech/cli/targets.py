"""The option --target of the verbs that plan runs."""

from jaxspeech.cli.parser import Parser


def add_target(parser: Parser) -> None:
    """Adds --target."""
    parser.add_argument(
        "--target",
        default="",
        metavar="NAME",
        help="--dry_run: compile for devices that are not here and predict memory and time: h100, h200, h200x8, "
        "v5e:4x4, v5p:4x4x4, v6e:2x2, or this, for those that are here (docs/scaling.md)",
    )
