"""Aim: docs/errors.md explains every number of lib/base/promp_error.h, in its words, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ENTRY = re.compile(r"^### (\d+) (\w+)\n> (.+)\n\n((?:.+\n)+)", re.MULTILINE)


def table(header):
    """{number: (name, text)} of the X-macro."""
    rows = re.findall(r'X\((\w+), (\d+),\s*"((?:[^"\\]|\\.)*)"\)', header)
    return {int(number): (name, text) for name, number, text in rows}


def differences(header, page):
    """What is wrong with the page, a list of sentences."""
    rows = table(header)
    entries = [(int(n), name, text, body) for n, name, text, body in ENTRY.findall(page)]
    numbers = [entry[0] for entry in entries]
    wrong = [f"{n} {rows[n][0]} has no entry" for n in rows if n not in numbers]
    wrong += [f"the heading '{line}' is no whole entry" for line in re.findall(r"^### .*$", page, re.MULTILINE)
              if line[4:] not in {f"{n} {name}" for n, name, _, _ in entries}]
    if numbers != sorted(set(numbers)):
        wrong.append("the numbers do not ascend")
    for number, name, text, body in entries:
        if rows.get(number) != (name, text):
            wrong.append(f"{number}: '{name}, {text}' is not the table's {rows.get(number)}")
        if re.findall(r"^- (\w+): \S", body, re.MULTILINE) != ["Cause", "Outcome", "Action"]:
            wrong.append(f"{number}: needs cause, outcome and action")
    return wrong


def read():
    return (ROOT / "lib/base/promp_error.h").read_text(), (ROOT / "docs/errors.md").read_text()


def test_every_number_is_explained():
    """Aim: table and page agree, both ways."""
    header, page = read()
    assert len(table(header)) == len(re.findall(r"^\s*X\(", header, re.MULTILINE))
    assert differences(header, page) == []


def test_it_can_fail():
    """Aim: a missing, a superfluous, a renamed, a reworded and an incomplete entry are each found."""
    header, page = read()
    assert differences(header.replace("X(THREAD, 1003,", "X(THREAD, 1033,"), page)
    assert differences(header, page.replace("### 1012 TIMEOUT", "### 1012 TIMEOUTS"))
    assert differences(header, page.replace("> the time is over", "> time is over"))
    assert differences(header, page.replace("- Action: use ids from 0", "- use ids from 0"))
    assert differences(header, page + "\n### 1999 NEW\n> new\n\n- Cause: a\n- Outcome: b\n- Action: c\n")
    assert differences(header, page + "\n### 1999 NEW\n")
