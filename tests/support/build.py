"""Where the programs under test are, and how patient to be with them."""

import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PROMP_BUILD", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

NODE = str(BUILD / "bin" / "promp-node")
TM = str(BUILD / "tests" / "tm")
TW = str(BUILD / "tests" / "tw")


def _sanitizer():
    try:
        cache = (BUILD / "CMakeCache.txt").read_text()
    except OSError:
        return ""
    found = re.search(r"^PROMP_SANITIZE:\w+=(.*)$", cache, re.M)
    return found.group(1).strip() if found else ""


SANITIZER = _sanitizer()

# An interpreter without sanitizers can load a library with them only behind their runtime.
PRELOAD = os.environ.get("PROMP_TEST_PRELOAD") if SANITIZER == "address" else None
LOADS_PACKAGE = not SANITIZER or bool(PRELOAD)

# How much slower than an ordinary build on an idle machine things may be.
SLOW = float(os.environ.get("PROMP_TEST_SLOW", "4" if SANITIZER else "1"))


def scaled(seconds):
    return seconds * SLOW


def error_numbers():
    """{"NO_WORKER": 1006, ...} of lib/base/promp_error.h."""
    text = (ROOT / "lib/base/promp_error.h").read_text()
    return {name: int(number) for name, number in re.findall(r"X\((\w+), (\d+),", text)}


ERR = error_numbers()
ERROR_NAMES = {number: name for name, number in ERR.items()}


def limits():
    """Numbers of lib/base/limits.h."""
    values = {}
    header = (ROOT / "lib/base/limits.h").read_text().replace("\\\n", " ")
    for name, text in re.findall(r"^#define PROMP_(\w+)[ \t]+([^/\n]+)", header, re.M):
        expression = re.sub(r"(\d+)ULL", r"\1", text).replace("PROMP_", "")
        try:
            values[name] = eval(expression, {"__builtins__": {}}, values)  # our own header, arithmetic only
        except (NameError, SyntaxError):
            continue
    return values


LIMIT = limits()
