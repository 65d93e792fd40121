"""Aim: the public headers are the reference of the C half: each function has a comment, above it or above the few declarations
that it stands among, or behind it."""

import re

import pytest
from support import build

HEADERS = ("manager/promp.h", "lib/proto/promp_value.h", "lib/container/promp_container.h")


def without_comment(text):
    """Functions that are declared where no comment speaks of them."""
    found = []
    for paragraph in re.split(r"\n\n+", text):
        comment = False
        for line in paragraph.split("\n"):
            comment = comment or "/*" in line or "*/" in line
            name = re.match(r"PROMP_EXPORT [^;(]*?(\w+)\(", line)
            if name and not comment:
                found.append(name.group(1))
    return found


@pytest.mark.parametrize("header", HEADERS)
def test_each_function_is_described(header):
    """Aim: no function is declared without a word."""
    text = (build.ROOT / header).read_text()
    assert len(re.findall(r"^PROMP_EXPORT ", text, re.M)) > 10
    assert without_comment(text) == []


def test_it_can_fail():
    """Aim: a bare declaration is found, also behind a described one with a line between."""
    assert without_comment("/* a */\nPROMP_EXPORT int a(void);\n\nPROMP_EXPORT int b(void);\n") == ["b"]
