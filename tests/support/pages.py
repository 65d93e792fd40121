"""What the documents tell to type: blocks, cells of tables, code in sentences, examples of --help."""

import re

from . import build

PAGES = [build.ROOT / "README.md", *sorted((build.ROOT / "docs").glob("*.md"))]


def page(name):
    return next(p for p in PAGES if p.name == name)


def blocks(path):
    """[(kind, text)] of a page; indented fences do not exist in ours."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", path.read_text(), re.M | re.S)


def scripts(path):
    """{name: text} of the whole scripts of a page: python blocks that begin with `# NAME.py`."""
    found = {}
    for kind, text in blocks(path):
        name = re.match(r"# ([\w.]+\.py)\n", text)
        if kind == "python" and name:
            found[name.group(1)] = text
    return found


def prose(path):
    """A page without its blocks."""
    return re.sub(r"^```[^\n]*\n.*?^```$", "", path.read_text(), flags=re.M | re.S)


def spans(path):
    """Code in sentences and tables of a page."""
    return [" ".join(s.split()) for s in re.findall(r"`([^`]+)`", prose(path))]


def tables(path):
    """[(heading, [[cell, ...], ...])] of a page: each table's rows without its head, with the heading that it stands under."""
    found, heading, rows = [], "", []
    for line in [*prose(path).splitlines(), ""]:
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append((heading, rows[2:]))
            rows = []
    return found


def section(path, heading):
    """The text below a heading, to the next heading of any level."""
    text = path.read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert found, f"{path.name} has no heading '{heading}'"
    return found.group(1)
