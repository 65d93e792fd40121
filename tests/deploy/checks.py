"""What has to fit together in a set of manifests, beyond the schema of each: complaints(), a list of sentences."""

import re

import jsonschema
from manifests import SCHEMA, containers, fits, of_kind, pods, quantity


def schema_of(manifest):
    key = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    if key not in SCHEMA["kinds"]:
        return None
    return {**SCHEMA["kinds"][key], "definitions": SCHEMA["definitions"]}


def malformed(manifest):
    """What its schema says against it."""
    schema = schema_of(manifest)
    if not schema:
        return [f"there is no schema for {manifest.get('apiVersion')} {manifest.get('kind')}"]
    name = manifest.get("metadata", {}).get("name")
    return [f"{manifest['kind']} {name}: {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
            for e in jsonschema.Draft7Validator(schema).iter_errors(manifest)]


def labels(manifest):
    return manifest["spec"]["template"]["metadata"]["labels"]


def title(manifest):
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def ports(manifest):
    """{name: number} of its containers."""
    return {p["name"]: p["containerPort"] for c in containers(manifest) for p in c.get("ports", ())}


# --- one each; all give sentences


def selectors(all_):
    for m in pods(all_):
        if "selector" in m["spec"] and not fits(m["spec"]["selector"], labels(m)):
            yield f"{title(m)} does not select its own pods"
    for m in of_kind(all_, "Service") + of_kind(all_, "PodDisruptionBudget") + of_kind(all_, "NetworkPolicy"):
        spec = m["spec"]
        selector = {"matchLabels": spec["selector"]} if m["kind"] == "Service" else spec.get("selector") or spec["podSelector"]
        chosen = [p for p in pods(all_) if fits(selector, labels(p))]
        if not chosen:
            yield f"{title(m)} selects no pods"
        if m["kind"] != "NetworkPolicy" and len(chosen) > 1:
            yield f"{title(m)} selects pods of {[title(p) for p in chosen]}"


def services(all_):
    for service in of_kind(all_, "Service"):
        for p in pods(all_):
            if fits({"matchLabels": service["spec"]["selector"]}, labels(p)):
                for port in service["spec"].get("ports", ()):
                    there = ports(p)
                    if there.get(port["targetPort"], port["targetPort"]) != port["port"]:
                        yield f"{title(service)}: {port['name']} leads to no port of {title(p)} with this number"
    for m in of_kind(all_, "StatefulSet"):
        if not [s for s in of_kind(all_, "Service") if s["metadata"]["name"] == m["spec"]["serviceName"]]:
            yield f"{title(m)}: there is no service {m['spec']['serviceName']}"


def volumes(all_, secrets):
    claims = {c["metadata"]["name"] for c in of_kind(all_, "PersistentVolumeClaim")}
    for m in pods(all_):
        there = {v["name"]: v for v in m["spec"]["template"]["spec"].get("volumes", ())}
        there.update({c["metadata"]["name"]: {} for c in m["spec"].get("volumeClaimTemplates", ())})
        mounted = {mount["name"] for c in containers(m) for mount in c.get("volumeMounts", ())}
        if mounted != set(there):
            yield f"{title(m)}: mounts {sorted(mounted)}, has {sorted(there)}"
        for volume in there.values():
            if "persistentVolumeClaim" in volume and volume["persistentVolumeClaim"]["claimName"] not in claims:
                yield f"{title(m)}: there is no claim {volume['persistentVolumeClaim']['claimName']}"
            if "secret" in volume and volume["secret"]["secretName"] not in secrets:
                yield f"{title(m)}: nobody makes the secret {volume['secret']['secretName']}"
            if "configMap" in volume:
                yield f"{title(m)}: there is no config map {volume['configMap']['name']}"


def container(m, c, images):
    own, common = c.get("securityContext", {}), m["spec"]["template"]["spec"]
    if c["image"].split("/")[-1].split(":")[0] not in images:
        yield f"the image {c['image']} is not made by deploy/docker"
    if own != {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}:
        yield "it is not hardened"
    if not {"cpu", "memory"} <= set(c["resources"]["requests"]) or "memory" not in c["resources"]["limits"]:
        yield "it does not say what it needs"
    for resource, limit in c["resources"]["limits"].items():
        if quantity(c["resources"]["requests"].get(resource, 0)) > quantity(limit):
            yield f"it asks for more {resource} than its limit"
    for probe in ("livenessProbe", "readinessProbe"):
        where = c.get(probe, {}).get("httpGet") or c.get(probe, {}).get("tcpSocket")
        if where and where["port"] not in [p["name"] for p in c["ports"]]:
            yield f"its {probe} asks a port that it has not"
    mounts = {v["name"]: v["mountPath"] for v in c.get("volumeMounts", ())}
    tokens = [mounts[v["name"]] for v in common.get("volumes", ()) if "secret" in v and v["name"] in mounts]
    if tokens and c in common["containers"]:
        yield "it sees a token, which is for those who join"
    for name in re.findall(r"\$\((\w+)\)", " ".join(c.get("args", ()))):
        if name not in [e["name"] for e in c.get("env", ())]:
            yield f"there is no {name} in its environment"


def each_pod(all_, images, user):
    for m in pods(all_):
        spec = m["spec"]["template"]["spec"]
        context = spec["securityContext"]
        if context.get("runAsUser") != user or context.get("runAsGroup") != user or context.get("fsGroup") != user:
            yield f"{title(m)}: it is not the user of the images, {user}"
        if not context.get("runAsNonRoot") or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{title(m)}: it does not fit Pod Security restricted"
        if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
            yield f"{title(m)}: it gets what it does not need"
        if {"hostNetwork", "hostPID", "hostIPC"} & set(spec):
            yield f"{title(m)}: it shares its host's"
        for c in containers(m):
            yield from (f"{title(m)}, {c['name']}: {text}" for text in container(m, c, images))


def draining(all_):
    for m in of_kind(all_, "StatefulSet"):
        words = " ".join(m["spec"]["template"]["spec"]["containers"][0]["args"])
        drain = re.search(r"--drain-timeout=(\d+)", words)
        grace = m["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        if not drain or int(drain.group(1)) / 1000 + 10 > grace:
            yield f"{title(m)}: it has {grace} s to end, which is not longer than it drains"
    for m in of_kind(all_, "Deployment"):
        if m["spec"]["replicas"] != 1 or m["spec"]["strategy"] != {"type": "Recreate"}:
            yield f"{title(m)}: there may be two brokers"


def network(all_):
    policies = of_kind(all_, "NetworkPolicy")
    for m in pods(all_):
        mine = [p["spec"] for p in policies if fits(p["spec"]["podSelector"], labels(m))]
        if len(mine) != 1 or mine[0]["policyTypes"] != ["Ingress", "Egress"]:
            yield f"{title(m)}: {len(mine)} policies"
            continue
        into, out = mine[0].get("ingress", []), mine[0].get("egress", [])
        if ports(m):
            if out or {p["port"] for rule in into for p in rule["ports"]} != set(ports(m).values()):
                yield f"{title(m)}: its policy lets in what it does not serve, or lets it out"
            for other in pods(all_):
                reach = [rule for rule in into for who in rule["from"] if fits(who.get("podSelector", {"matchLabels": {"": ""}}), labels(other))]
                if bool(reach) != (other is not m):
                    yield f"{title(other)} {'reaches' if reach else 'does not reach'} {title(m)}"
        elif into or {p["port"] for rule in out for p in rule["ports"]} != {5599, 53}:
            yield f"{title(m)}: it is let in or out too far"


def scaling(all_):
    for h in of_kind(all_, "HorizontalPodAutoscaler"):
        target = h["spec"]["scaleTargetRef"]
        found = [m for m in all_ if (m["apiVersion"], m["kind"], m["metadata"]["name"]) ==
                 (target["apiVersion"], target["kind"], target["name"])]
        if not found:
            yield f"{title(h)}: there is no {target['kind']} {target['name']}"
            continue
        if "replicas" in found[0]["spec"]:
            yield f"{title(h)}: {title(found[0])} says itself how many"
        places = found[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
        for metric in h["spec"]["metrics"]:
            if quantity(metric["external"]["target"]["averageValue"]) != quantity(places):
                yield f"{title(h)}: a node has {places} places"


def complaints(all_, secrets, images, user):
    """secrets: names of those that somebody makes; images: names; user: the number of their user."""
    found = [text for m in all_ for text in malformed(m)]
    if found:
        return found
    return [*selectors(all_), *services(all_), *volumes(all_, secrets), *each_pod(all_, images, user), *draining(all_),
            *network(all_), *scaling(all_)]
