"""promp: run work in other processes, on this machine or on many. See `Pro.MP` and `Pro.Core`."""

import sys

# Also read by interpreters that are too old, so it has to be plain.
if sys.version_info < (3, 11):
    raise ImportError("the package Pro needs Python 3.11 or newer, and this is Python %d.%d.%d (%s)"
                      % (tuple(sys.version_info[:3]) + (sys.executable,)))
