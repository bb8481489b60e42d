"""Restarts a command with a heap in pages of 2 MiB, not 4 KiB: fewer page faults and faster address translation.

With the transparent huge page policy "madvise" (the default of many Linux distributions), glibc requests huge pages
only if an environment variable is set before the program starts. So a command sets it and re-executes itself once.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python ...       the same for other programs; =0 keeps small pages

Sources: the GNU C Library's manual, "Memory Allocation Tunables"; Linux, admin-guide/mm/transhuge.rst.
"""

import os
import sys
from pathlib import Path

from jaxspeech.runtime.platform import glibc_version

VARIABLE, TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
FIRST_GLIBC = (2, 35)
POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Re-executes the program with huge pages, unless it has them, cannot have them, or the user disabled them.

    The process is replaced, with the same process id, and the command line runs from the start: call this before
    anything else.
    """
    if may_ask():
        os.environ[VARIABLE] = tunables(os.environ)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def may_ask() -> bool:
    """Whether setting the tunable would change anything."""
    return (
        TUNABLE not in os.environ.get(VARIABLE, "")
        and glibc_version() >= FIRST_GLIBC
        and POLICY.is_file()
        and "[madvise]" in POLICY.read_text(encoding="utf-8")
    )


def tunables(environment: dict[str, str] | os._Environ[str]) -> str:
    """The value of GLIBC_TUNABLES with huge pages added to the tunables that are already set."""
    return ":".join(filter(None, [environment.get(VARIABLE), f"{TUNABLE}=1"]))
