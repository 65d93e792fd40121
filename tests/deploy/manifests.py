"""The manifests of deploy/kubernetes, as kustomize builds them."""

import functools
import json
import re
import shutil
import subprocess

import yaml
from support import build

FOLDER = build.ROOT / "deploy" / "kubernetes"
SCHEMA = json.loads((build.ROOT / "tests/deploy/schemas/kubernetes.json").read_text())

# Which of them is here is taken. Go builds kustomize from its module proxy; Debian 12's own kubectl (1.20) is too old: it knows
# neither `labels` nor components.
BUILDERS = [
    ["kubectl", "kustomize"],
    ["kustomize", "build"],
    ["go", "run", "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0", "build"],
]


class NoKustomize(Exception):
    """It is not here, and what was tried."""


def _run(command, folder):
    try:
        return subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=280)
    except FileNotFoundError:
        return None


@functools.lru_cache
def builder():
    """The command that builds a folder."""
    tried = []
    for command in BUILDERS:
        done = _run(command, FOLDER / "base") if shutil.which(command[0]) else None
        if done and done.returncode == 0:
            return command
        tried.append(f"{' '.join(command)}: {done.stderr.strip()[-200:] if done else 'not here'}")
    raise NoKustomize("no kustomize that builds deploy/kubernetes/base: " + "; ".join(tried))


def built(folder):
    """What a folder of kustomize's is made to: a list of manifests."""
    done = _run(builder(), folder)
    assert done.returncode == 0 and "Warning" not in done.stderr, f"{folder}: {done.stderr}"
    return list(yaml.safe_load_all(done.stdout))


def one(manifests, kind, name):
    found = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{kind} {name}: there are {len(found)}"
    return found[0]


def of_kind(manifests, kind):
    return [m for m in manifests if m["kind"] == kind]


def pods(manifests):
    """Those that make pods: each has spec.template."""
    return [m for m in manifests if "template" in m.get("spec", {})]


def containers(manifest):
    spec = manifest["spec"]["template"]["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def fits(selector, labels):
    """Whether a selector of labels selects who has these."""
    def says(expression):
        values, value = expression.get("values", ()), labels.get(expression["key"])
        return {"In": value in values, "NotIn": value not in values, "Exists": value is not None,
                "DoesNotExist": value is None}[expression["operator"]]

    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(map(says, selector.get("matchExpressions", ())))


def quantity(text):
    """"500m" is 0.5, "4Gi" is 4 * 2**30."""
    number, unit = re.fullmatch(r"([0-9.]+)(\w*)", str(text)).groups()
    factors = {"": 1, "m": 1e-3, **{u: 1000 ** n for n, u in enumerate("kMGTPE", 1)},
               **{u + "i": 1024 ** n for n, u in enumerate("KMGTPE", 1)}}
    return float(number) * factors[unit]
