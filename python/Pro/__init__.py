"""promp: run work in other processes, on this machine or on many. See `Pro.MP` and `Pro.Core`."""
