"""What the survey found: as a dict, and as a table for people."""

from collections import defaultdict

from screen import printable, text_of

LONGEST = 10  # rows in a list of the largest


def report(facts, digests, failures, seconds):
    """Returns the report. facts: name -> [size, kind, entropy]; digests: digest -> names; failures: [name, cause]."""
    kinds = defaultdict(lambda: [0, 0, 0.0])
    for size, kind, bits in facts.values():
        row = kinds[kind]
        row[0], row[1], row[2] = row[0] + 1, row[1] + size, row[2] + bits
    largest = sorted((-value[0], name) for name, value in facts.items())[:LONGEST]
    groups = sorted((-facts[names[0]][0] * (len(names) - 1), sorted(names)) for names in digests.values() if len(names) > 1)
    return {
        "files": len(facts), "bytes": sum(value[0] for value in facts.values()), "seconds": round(seconds, 2),
        "kinds": {kind: {"files": n, "bytes": size, "entropy": round(bits / n, 2)}
                  for kind, (n, size, bits) in sorted(kinds.items(), key=lambda item: (-item[1][1], item[0]))},
        "largest": [{"path": text_of(name), "bytes": -size} for size, name in largest],
        "duplicates": {"groups": len(groups), "wasted": -sum(wasted for wasted, _ in groups),
                       "largest": [{"wasted": -wasted, "paths": list(map(text_of, names))}
                                   for wasted, names in groups[:LONGEST]]},
        "failures": [{"path": text_of(name), "cause": cause} for name, cause in sorted(failures)],
    }


def table(found):
    """Returns the report for people."""
    rows = [(kind, row["files"], row["bytes"], "%.2f" % row["entropy"]) for kind, row in found["kinds"].items()]
    rows.append(("all", found["files"], found["bytes"], ""))
    width = max(14, *(len(row[0]) for row in rows))
    lines = ["%-*s %10s %18s %8s" % (width, "kind", "files", "bytes", "entropy")]
    lines += [("%-*s %10d %18d %8s" % (width, *row)).rstrip() for row in rows]
    if found["largest"]:
        lines += ["", "largest"] + ["%18d  %s" % (row["bytes"], printable(row["path"])) for row in found["largest"]]
    wasted = found["duplicates"]
    lines += ["", "duplicates: %d groups, %d bytes could be saved" % (wasted["groups"], wasted["wasted"])]
    lines += ["%18d  %s (%d times)" % (row["wasted"], printable(row["paths"][0]), len(row["paths"]))
              for row in wasted["largest"]]
    if found["failures"]:
        lines += ["", "failures: %d" % len(found["failures"])]
        lines += ["  %s: %s" % (printable(row["path"]), printable(row["cause"])) for row in found["failures"]]
    return "\n".join([*lines, "", "%d files in %.1f s" % (found["files"], found["seconds"])])
