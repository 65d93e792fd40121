"""What the survey shows while it works: a bar per worker on a terminal, a plain line now and then elsewhere."""

import os
import re
import time

WIDTH = 30  # of a bar
HIDDEN = re.compile("[^\x20-\x7e\xa0-\U0010ffff]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # would move the cursor


def text_of(name):
    """Returns a file name as text; what is not UTF-8 becomes \\xNN."""
    return name.decode("utf-8", "backslashreplace")


def printable(text):
    """Returns the text with control characters written out."""
    return HIDDEN.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


class Screen:
    def __init__(self, stream, quiet):
        self.stream, self.quiet = stream, quiet
        self.live = stream.isatty() and not quiet and os.environ.get("TERM") != "dumb"
        self.color = self.live and not os.environ.get("NO_COLOR")
        self.lines, self.last = 0, time.monotonic() if not self.live else 0.0

    def due(self):
        """True when it is time to show something, once in a while."""
        now = time.monotonic()
        if self.quiet or now - self.last < (0.1 if self.live else 2):
            return False
        self.last = now
        return True

    def show(self, line, bars=()):
        """Shows a line below one bar for each (worker, percent)."""
        if not self.due():
            return
        if not self.live:
            print(line, file=self.stream, flush=True)
            return
        columns, rows = os.get_terminal_size(self.stream.fileno())
        lines = [line[:max(1, (columns or 80) - 1)]]
        if not columns or columns >= 55:  # a bar that is wrapped could not be cleared
            lines[:0] = [self.bar(*bar) for bar in list(bars)[:max(0, (rows or 24) - 2)]]
        self.stream.write(self.wipe() + "".join(line + "\n" for line in lines))
        self.stream.flush()
        self.lines = len(lines)

    def bar(self, worker, percent):
        full = max(0, min(percent, 100)) * WIDTH // 100
        drawn = "#" * full + "." * (WIDTH - full)
        if self.color:
            drawn = "\033[32m%s\033[0m" % drawn
        return "worker %4d [%s] %3d %%" % (worker, drawn, percent)

    def wipe(self):
        return "\033[%dA\033[J" % self.lines if self.lines else ""

    def clear(self):
        """Takes away what is shown."""
        self.stream.write(self.wipe())
        self.stream.flush()
        self.lines = 0
