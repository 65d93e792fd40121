"""promp: run work in other processes, on this machine or on many. See `Pro.MP` and `Pro.Core`.

Both follow the documented interface of Cerbero Suite's Pro.MP, which is called the reference here: scripts written for it
find the names that they know. "Reference: ..." at the end of a description names the section of its public documentation
that the description follows; "Source: ours" and "ours, beyond the reference" mark what promp adds.
"""

import sys

# Also read by interpreters that are too old, so it has to be plain.
if sys.version_info < (3, 11):
    raise ImportError("the package Pro needs Python 3.11 or newer, and this is Python %d.%d.%d (%s)"
                      % (tuple(sys.version_info[:3]) + (sys.executable,)))
