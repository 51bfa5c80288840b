"""Makes the CustomResourceDefinitions from the kinds, so that the two can never disagree.

Kubernetes wants a structural schema, which JSON Schema as pydantic writes it is not: no `$ref`, no
`anyOf` with null, no `const`, no patterns for keys. Defaults are left out on purpose: what a team
did not write must stay unwritten, or its digest would depend on the server that defaulted it.
"""

from copy import deepcopy
from typing import Any

from interlock.api.kinds.base import Kind
from interlock.api.names import GROUP, VERSION

Schema = dict[str, Any]

CATEGORY = "agents"
MAX_DESCRIPTION = 200

_KEPT = (
    "type",
    "format",
    "pattern",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
)


def crd(kind: type[Kind]) -> Schema:
    """Return the CustomResourceDefinition of one kind."""
    names = {
        "kind": kind.__name__,
        "listKind": f"{kind.__name__}List",
        "plural": kind.plural,
        "singular": kind.__name__.lower(),
        "shortNames": list(kind.short_names),
        "categories": [CATEGORY],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster" if kind.cluster_scoped else "Namespaced",
            "names": {key: value for key, value in names.items() if value},
            "versions": [_version(kind)],
        },
    }


def structural(kind: type[Kind]) -> Schema:
    """Return the structural OpenAPI v3 schema of one kind."""
    schema = kind.model_json_schema(by_alias=True)
    root = _node(schema, schema.get("$defs", {}))
    for key, kept in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
        root["properties"][key] = {"type": kept}  # the API server owns these three
    return root


def _version(kind: type[Kind]) -> Schema:
    version: Schema = {"name": VERSION, "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": structural(kind)}
    if "status" in kind.model_fields:
        version["subresources"] = {"status": {}}
    if kind.columns:
        version["additionalPrinterColumns"] = [
            column.model_dump(by_alias=True, exclude_defaults=True) | {"type": column.type}
            for column in kind.columns
        ]
    return version


def _node(schema: Schema, defs: Schema) -> Schema:
    schema = _flat(schema, defs)
    out = _description(schema) | {key: deepcopy(schema[key]) for key in _KEPT if key in schema}
    if "const" in schema:
        out["enum"] = [schema["const"]]
    out |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    if properties := schema.get("properties"):
        out["properties"] = {key: _node(value, defs) for key, value in properties.items()}
    if items := schema.get("items"):
        out["items"] = _node(items, defs)
    return out | _map(schema, defs)


def _flat(schema: Schema, defs: Schema) -> Schema:
    """Follow `$ref` and drop the null of an optional field: optional means absent."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if branches:
        (branch,) = branches  # a union of two real types has no structural form
        schema = {key: value for key, value in schema.items() if key != "anyOf"} | branch
    if reference := schema.get("$ref"):
        target = defs[reference.rpartition("/")[2]]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def _description(schema: Schema) -> Schema:
    first = " ".join(schema.get("description", "").partition("\n\n")[0].split())
    return {"description": first[:MAX_DESCRIPTION]} if first else {}


def _map(schema: Schema, defs: Schema) -> Schema:
    """Return the additional part of a map: its values, and rules for its keys."""
    patterns = schema.get("patternProperties")
    if patterns:
        ((pattern, values),) = patterns.items()
    else:
        pattern, values = "", schema.get("additionalProperties")
    if not isinstance(values, dict):
        return {}
    return {"additionalProperties": _node(values, defs)} | _key_rules(schema, pattern)


def _key_rules(schema: Schema, pattern: str) -> Schema:
    limit = schema.get("propertyNames", {}).get("maxLength")
    rules = []
    if limit:
        message = f"each key has at most {limit} characters"
        rules.append({"rule": f"self.all(key, size(key) <= {limit})", "message": message})
    if pattern:
        message = f"each key matches {pattern}"
        rules.append({"rule": f"self.all(key, key.matches('{pattern}'))", "message": message})
    return {"x-kubernetes-validations": rules} if rules else {}
