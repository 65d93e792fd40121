#!/usr/bin/env python3
"""make_schemas.py VERSION OPENAPI.json... > kubernetes.json - the JSON schema of the kinds that deploy/kubernetes uses.

OPENAPI.json: what a Kubernetes API server publishes, /openapi/v2 or files of /openapi/v3, for example from a running cluster:
    kubectl get --raw /openapi/v2 > openapi.json
The result has no descriptions and nothing of other kinds. It is strict where the API server is with `--validate=strict`: a
field that is not in a type is an error, and so is null where there has to be a value."""

import json
import sys

KINDS = ["v1 ConfigMap", "v1 Namespace", "v1 PersistentVolumeClaim", "v1 Service", "apps/v1 Deployment", "apps/v1 StatefulSet",
         "autoscaling/v2 HorizontalPodAutoscaler", "batch/v1 Job", "networking.k8s.io/v1 NetworkPolicy",
         "policy/v1 PodDisruptionBudget"]

# What OpenAPI can not, or does not, say of these types.
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?[0-9.]+([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$"}]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["integer", "string"]},
}

# What the server refuses and OpenAPI does not say, as far as we use it: the words of these fields.
WORDS = {
    "apps.v1.DeploymentStrategy": {"type": ["Recreate", "RollingUpdate"]},
    "apps.v1.StatefulSetSpec": {"podManagementPolicy": ["OrderedReady", "Parallel"]},
    "autoscaling.v2.HPAScalingPolicy": {"type": ["Percent", "Pods"]},
    "autoscaling.v2.MetricSpec": {"type": ["ContainerResource", "External", "Object", "Pods", "Resource"]},
    "autoscaling.v2.MetricTarget": {"type": ["AverageValue", "Utilization", "Value"]},
    "core.v1.Container": {"imagePullPolicy": ["Always", "IfNotPresent", "Never"]},
    "core.v1.ContainerPort": {"protocol": ["SCTP", "TCP", "UDP"]},
    "core.v1.PodSecurityContext": {"fsGroupChangePolicy": ["Always", "OnRootMismatch"]},
    "core.v1.PodSpec": {"restartPolicy": ["Always", "Never", "OnFailure"]},
    "core.v1.SeccompProfile": {"type": ["Localhost", "RuntimeDefault", "Unconfined"]},
    "core.v1.ServicePort": {"protocol": ["SCTP", "TCP", "UDP"]},
    "core.v1.TopologySpreadConstraint": {"whenUnsatisfiable": ["DoNotSchedule", "ScheduleAnyway"]},
    "networking.v1.NetworkPolicyPort": {"protocol": ["SCTP", "TCP", "UDP"]},
    "policy.v1.PodDisruptionBudgetSpec": {"unhealthyPodEvictionPolicy": ["AlwaysAllow", "IfHealthyBudget"]},
}


def key_of(kind):
    version, name = kind.split()
    group, _, version = version.rpartition("/")
    return group, version, name


def types_of(documents):
    types = {}
    for document in documents:
        found = document.get("definitions") or document["components"]["schemas"]
        for name, schema in found.items():
            if "x-kubernetes-group-version-kind" in schema:
                schema.get("properties", {}).pop("status", None)  # the server's, not a manifest's
            types[name] = schema
    for name, words in WORDS.items():
        for field, values in words.items():
            types[f"io.k8s.api.{name}"]["properties"][field]["enum"] = values
    return types


class Maker:
    def __init__(self, types):
        self.types, self.made = types, {}

    def reference(self, target):
        name = target.rsplit("/", 1)[-1]
        if name not in self.made:
            self.made[name] = {}  # types may contain themselves
            self.made[name] = SPECIAL.get(name) or self.schema(self.types[name])
        return {"$ref": f"#/definitions/{name}"}

    def schema(self, given):
        if "$ref" in given:
            return self.reference(given["$ref"])
        if len(given.get("allOf", ())) == 1:
            return self.schema(given["allOf"][0])
        made = {key: given[key] for key in ("type", "enum", "required") if key in given}
        if "oneOf" in given:
            raise SystemExit(f"add this to SPECIAL: {given}")
        if "items" in given:
            made["items"] = self.schema(given["items"])
        if "properties" in given:
            made["properties"] = {name: self.schema(value) for name, value in sorted(given["properties"].items())}
            made["additionalProperties"] = False
        elif "additionalProperties" in given:
            made["additionalProperties"] = self.schema(given["additionalProperties"])
        return made

    def kind(self, wanted):
        group, version, name = key_of(wanted)
        for type_name, given in self.types.items():
            for mark in given.get("x-kubernetes-group-version-kind", ()):
                if (mark["group"], mark["version"], mark["kind"]) == (group, version, name):
                    return self.head(self.reference(type_name), wanted)
        raise SystemExit(f"there is no {wanted} in these files")

    def head(self, reference, wanted):
        """Each manifest has to say which kind it is, and its name."""
        version, name = wanted.split()
        made = self.made[reference["$ref"].rsplit("/", 1)[-1]]
        made["properties"].update(apiVersion={"const": version}, kind={"const": name})
        return {"allOf": [reference], "required": ["apiVersion", "kind", "metadata"]}


def main(version, files):
    maker = Maker(types_of([json.load(open(name)) for name in files]))
    kinds = {kind: maker.kind(kind) for kind in KINDS}
    print(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "kubernetes": version, "kinds": kinds,
                      "definitions": dict(sorted(maker.made.items()))}, separators=(",", ":")).replace('},"io.k8s', '},\n"io.k8s'))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2:])
