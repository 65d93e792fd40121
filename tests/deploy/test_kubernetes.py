"""Aim: deploy/kubernetes is what Kubernetes takes, fits together, and works: its containers run as processes with the commands, mounts,
users and environments that the manifests say, by the commands of its README."""

import copy
import re
import shutil

import pytest
from support import build, hosts, proc

yaml = pytest.importorskip("yaml", reason="needs the Debian package python3-yaml")
pytest.importorskip("jsonschema", reason="needs the Debian package python3-jsonschema")

import checks  # noqa: E402
import kube  # noqa: E402
import manifests  # noqa: E402
import pods  # noqa: E402
from manifests import FOLDER  # noqa: E402

pytestmark = [pytest.mark.deploy, pytest.mark.plain, pytest.mark.timeout(300)]

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (FOLDER / "README.md").read_text(), re.M | re.S)
SECRETS = re.findall(r"create secret generic (\S+) --from-file=token=", (FOLDER / "README.md").read_text())
DOCKERFILE = (build.ROOT / "deploy/docker/Dockerfile").read_text()
IMAGES = {f"promp-{target}" for target in re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.M)}
USER = int(re.search(r"useradd .*--uid (\d+)", DOCKERFILE).group(1))

# Blocks of the README that are not run here, by how they begin.
NOT_RUN = {
    "for image in": "builds and pushes images; test_docker.py builds them",
    "kubectl get --raw": "asks Prometheus' adapter",
}


@pytest.fixture(scope="module", autouse=True)
def kustomize():
    try:
        manifests.builder()
    except manifests.NoKustomize as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def everything():
    """Broker, nodes and the survey's client."""
    return manifests.built(FOLDER / "overlays/example") + manifests.built(FOLDER / "overlays/survey")


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """The example with the component for autoscaling, taken in as the README says."""
    folder = tmp_path_factory.mktemp("scaled") / "kubernetes"
    shutil.copytree(FOLDER, folder)
    path = folder / "overlays/example/kustomization.yaml"
    overlay = yaml.safe_load(path.read_text())
    added, = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]
    overlay.update(added)
    del overlay["replicas"]
    path.write_text(yaml.safe_dump(overlay))
    return manifests.built(path.parent) + manifests.built(FOLDER / "overlays/survey")


def complaints(all_):
    return checks.complaints(all_, SECRETS, IMAGES, USER)


# --- as they stand there


@pytest.mark.parametrize("folder", ["base", "overlays/example", "overlays/survey"])
def test_builds(folder):
    """Aim: each folder builds by itself, into manifests that the API would take; base has no namespace, overlays are all in one."""
    all_ = manifests.built(FOLDER / folder)
    assert [text for m in all_ for text in checks.malformed(m)] == []
    wanted = {None} if folder == "base" else {"promp"}
    assert {m["metadata"].get("namespace") for m in all_ if m["kind"] != "Namespace"} == wanted


def test_fits_together(everything, scaled):
    """Aim: what names something names what is there: labels, ports, volumes, secrets, images, users, times."""
    assert complaints(everything) == []
    assert complaints(scaled) == []
    assert "HorizontalPodAutoscaler" in {m["kind"] for m in scaled}


def spec(m):
    return m["spec"]["template"]["spec"]


# What is done to a manifest, and what has to be said about it.
FAULTS = {
    "a field misspelt": ("Deployment", lambda m: spec(m).update(terminationGraceSeconds=5), "terminationGraceSeconds"),
    "a field misplaced": ("StatefulSet", lambda m: m["spec"].update(securityContext={}), "securityContext"),
    "a word for a number": ("StatefulSet", lambda m: m["spec"].update(replicas="two"), "'two' is not of type"),
    "a number for a word": ("Deployment", lambda m: spec(m)["containers"][0]["args"].append(5599), "5599 is not of type"),
    "a boolean in a label": ("Job", lambda m: m["metadata"]["labels"].update(x=True), "True is not of type"),
    "no selector": ("Deployment", lambda m: m["spec"].pop("selector"), "'selector' is a required property"),
    "a mount without path": ("StatefulSet", lambda m: spec(m)["containers"][0]["volumeMounts"][0].pop("mountPath"),
                             "'mountPath' is a required property"),
    "nothing where something has to be": ("Service", lambda m: m["spec"].update(ports=None), "None is not of type"),
    "a strategy that is none": ("Deployment", lambda m: m["spec"]["strategy"].update(type="Recreated"), "'Recreated' is not one of"),
    "a quantity that is none": ("PersistentVolumeClaim", lambda m: m["spec"]["resources"]["requests"].update(storage="1 GB"), "1 GB"),
    "an old version": ("PodDisruptionBudget", lambda m: m.update(apiVersion="policy/v1beta1"), "there is no schema"),
    "labels that differ": ("StatefulSet", lambda m: m["spec"]["template"]["metadata"]["labels"].update({"app.kubernetes.io/component": "n"}),
                           "does not select its own pods"),
    "another port": ("Service", lambda m: m["spec"]["ports"][0].update(port=5600), "leads to no port"),
    "a volume that is not there": ("Deployment", lambda m: spec(m)["volumes"][0].update(name="other"), "mounts ['config']"),
    "a claim that is not there": ("Deployment", lambda m: spec(m)["volumes"][0]["persistentVolumeClaim"].update(claimName="x"),
                                  "there is no claim x"),
    "a secret nobody makes": ("Job", lambda m: spec(m)["volumes"][2]["secret"].update(secretName="x"), "nobody makes the secret x"),
    "a token for workers": ("StatefulSet", lambda m: spec(m)["containers"][0]["volumeMounts"].append({"name": "token", "mountPath": "/t"}),
                            "it sees a token"),
    "less time than it drains": ("StatefulSet", lambda m: spec(m).update(terminationGracePeriodSeconds=300), "not longer than it drains"),
    "two brokers": ("Deployment", lambda m: m["spec"].update(replicas=2), "two brokers"),
    "a service that is not there": ("StatefulSet", lambda m: m["spec"].update(serviceName="x"), "there is no service x"),
    "an image nobody makes": ("Job", lambda m: spec(m)["containers"][0].update(image="promp-clients:1"), "is not made by deploy/docker"),
    "root": ("Job", lambda m: spec(m)["securityContext"].update(runAsUser=0), "it is not the user of the images"),
    "a root that can be written": ("Deployment", lambda m: spec(m)["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
                                   "it is not hardened"),
    "a probe of no port": ("Deployment", lambda m: spec(m)["containers"][0]["livenessProbe"]["tcpSocket"].update(port="http"), "livenessProbe"),
    "a variable that is not set": ("StatefulSet", lambda m: spec(m)["containers"][0]["env"].pop(), "there is no PROMP_MEMORY"),
    "a policy for no port": ("NetworkPolicy", lambda m: m["spec"]["ingress"][0]["ports"][0].update(port=5600), "lets in what it does not serve"),
    "a policy that lets nodes out": ("NetworkPolicy", lambda m: m["spec"]["ingress"][0]["from"][0]["podSelector"]["matchExpressions"][0]
                                     ["values"].remove("node"), "StatefulSet promp-node does not reach"),
    "a budget for nobody": ("PodDisruptionBudget", lambda m: m["spec"]["selector"]["matchLabels"].update(x="y"), "selects no pods"),
    "a target that is not there": ("HorizontalPodAutoscaler", lambda m: m["spec"]["scaleTargetRef"].update(name="x"), "there is no StatefulSet x"),
    "other places": ("HorizontalPodAutoscaler", lambda m: m["spec"]["metrics"][0]["external"]["target"].update(averageValue="4"),
                     "a node has 2 places"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(scaled, fault):
    """Aim: the checks above see what they are there for."""
    kind, change, wanted = FAULTS[fault]
    broken = copy.deepcopy(scaled)
    change(manifests.of_kind(broken, kind)[0])
    said = complaints(broken)
    assert any(wanted in text for text in said), said


# --- at work


@pytest.fixture
def k(world, tmp_path):
    why = hosts.possible() or pods.possible(tmp_path)
    if why:
        pytest.skip(why)
    made = kube.Kube(world, tmp_path)
    yield made
    made.close()


def metrics(k):
    """{name: number} of what the broker tells a monitor."""
    text = k.get(k.broker, f"http://{k.broker.address}:9599/metrics")
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:{.*})?) ([0-9.e+]+)$", text, re.M)}


def test_readme(k):
    """Aim: the README's commands, in their order, lead from nothing through the survey, scaling, a restart and new keys; nodes offer
    their limits, and the rule for the autoscaler asks for figures that there are."""
    ran = set()
    for kind, text in BLOCKS:
        excuse = [begin for begin in NOT_RUN if text.startswith(begin)]
        ran.update(excuse)
        if kind != "sh" or excuse:
            continue
        said = k.shell(text)
        if "job/promp-survey" in text:
            assert re.search(r"^\d+ files in ", said, re.M), said
            assert metrics(k)["promp_places"] == 3 * 2 and metrics(k)["promp_memory_bytes"] == 3 * 4 * 2 ** 30
        if "promp-auth list" in text:
            assert {"promp-node-0", "promp-node-1", "promp-node-2"} <= set(said.split()), said
    assert ran == set(NOT_RUN)
    assert (k.folder / "promp-broker.tar").stat().st_size > 1000
    proc.wait_until(lambda: metrics(k).get('promp_nodes{state="ready"}') == 3, 20, lambda: str(metrics(k)))
    rule = yaml.safe_load((FOLDER / "components/autoscaling/prometheus-adapter.yaml").read_text())
    assert checks.malformed(rule) == []
    rule, = yaml.safe_load(rule["data"]["config.yaml"])["externalRules"]
    asked = set(re.findall(r"promp_\w+", rule["metricsQuery"]))
    assert asked and asked <= set(metrics(k))
    autoscaler = yaml.safe_load((FOLDER / "components/autoscaling/autoscaler.yaml").read_text())
    assert rule["name"]["as"] == autoscaler["spec"]["metrics"][0]["external"]["metric"]["name"]


def test_keys_outlive_pods(k):
    """Aim: a broker's pod that is ended comes back with its keys, and its nodes come back to it without a token; a node that was killed
    is the same node again."""
    blocks = [text for kind, text in BLOCKS if kind == "sh"]
    for text in blocks[1:3]:
        k.shell(text)
    k.secrets["promp-node-token"] = {"token": b"used up"}
    k.kubectl(["delete", "pod", "promp-broker-0"], "")
    k.wait_ready("deployment/promp-broker")
    proc.wait_until(lambda: metrics(k).get('promp_nodes{state="ready"}') == 3, 20, lambda: str(metrics(k)))
    k.running["promp-node-1"].kill()
    k.settle()
    proc.wait_until(lambda: metrics(k).get('promp_nodes{state="ready"}') == 3, 20, lambda: str(metrics(k)))
    names = k.shell("kubectl exec deploy/promp-broker -- promp-auth list --config /config/broker")
    assert len(re.findall(r"\bpromp-node-\d+\b", names)) == 3, names
