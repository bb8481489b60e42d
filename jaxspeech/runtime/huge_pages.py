"""A command's heap in pages of 2 MiB, not 4 KiB: fewer page faults, and addresses are found faster.

Where Linux gives large pages to those who ask ("madvise", many distributions' default), glibc asks for them, but only
if an environment variable said so before the program began. So a command sets it and starts itself again, once.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python ...       the same for other programs; =0 keeps small pages

Sources: the GNU C Library's manual, "Memory Allocation Tunables"; Linux, admin-guide/mm/transhuge.rst.
"""

import os
import sys
from pathlib import Path

VARIABLE, TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
FIRST_GLIBC = (2, 35)
POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Starts the program again with large pages, unless it has them, cannot have them, or was told otherwise.

    It replaces the process, whose number stays, and does what the command line says from the beginning: call it
    before anything else.
    """
    if may_ask():
        os.environ[VARIABLE] = tunables(os.environ)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def may_ask() -> bool:
    """Whether asking for large pages would change anything."""
    return (
        TUNABLE not in os.environ.get(VARIABLE, "")
        and _glibc() >= FIRST_GLIBC
        and POLICY.is_file()
        and "[madvise]" in POLICY.read_text()
    )


def tunables(environment: dict[str, str] | os._Environ[str]) -> str:
    """GLIBC_TUNABLES that ask for large pages, beside what it asks for already."""
    return ":".join(filter(None, [environment.get(VARIABLE), f"{TUNABLE}=1"]))


def _glibc() -> tuple[int, ...]:
    """Its version; () where the C library is another."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError):  # Windows, or a C library without that question
        return ()
    return tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else ()
