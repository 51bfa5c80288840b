"""The type of each field of the facts, in the form in which CEL checks expressions.

It follows from the pydantic models through their JSON schema, so that the two cannot disagree.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, struct_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from interlock.api.facts import Facts

_PACKAGE = "interlock"
ROOT = f"{_PACKAGE}.Facts"
HIDDEN = ("now", "revocationVersion", "denied")
"""What moves by itself, and what proves nothing: no rule may rest on either."""
_STRUCT = ".google.protobuf.Struct"
_LIST = ".google.protobuf.ListValue"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "integer": _Field.TYPE_INT64,
    "number": _Field.TYPE_DOUBLE,
    "boolean": _Field.TYPE_BOOL,
}
_Schema = Mapping[str, Any]


def pool() -> DescriptorPool:
    """Return the message types of the facts; ROOT names the whole."""
    schema = Facts.model_json_schema(by_alias=True, mode="serialization")
    defined = schema.pop("$defs")
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in HIDDEN}
    file = descriptor_pb2.FileDescriptorProto(
        name="facts.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[struct_pb2.DESCRIPTOR.name],
    )
    for name, one in (defined | {"Facts": schema}).items():
        if "properties" in one:
            message = file.message_type.add(name=name)
            for number, (field, kind) in enumerate(one["properties"].items(), start=1):
                _add(message, number, field, kind, defined)
    found = DescriptorPool()
    found.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    found.AddSerializedFile(file.SerializeToString())
    return found


def _add(
    message: descriptor_pb2.DescriptorProto,
    number: int,
    name: str,
    schema: _Schema,
    defined: _Schema,
) -> None:
    schema = _present(schema)
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if schema.get("type") == "array":
        field.label = _Field.LABEL_REPEATED
        _type(field, schema["items"], defined)
    elif isinstance(values := schema.get("additionalProperties"), dict):
        field.label = _Field.LABEL_REPEATED
        field.type, field.type_name = _Field.TYPE_MESSAGE, _entry(message, name, values, defined)
    else:
        _type(field, schema, defined)


def _entry(
    message: descriptor_pb2.DescriptorProto, name: str, values: _Schema, defined: _Schema
) -> str:
    """Add the type of a map's entries, which protobuf writes as messages of their own."""
    entry = message.nested_type.add(name=f"{name[:1].upper()}{name[1:]}Entry")
    entry.options.map_entry = True
    _add(entry, 1, "key", {"type": "string"}, defined)
    _add(entry, 2, "value", values, defined)
    return f".{_PACKAGE}.{message.name}.{entry.name}"


def _type(field: descriptor_pb2.FieldDescriptorProto, schema: _Schema, defined: _Schema) -> None:
    name = str(_present(schema).get("$ref", "")).rpartition("/")[2]
    found = defined[name] if name else _present(schema)
    if scalar := _SCALARS.get(str(found.get("type"))):
        field.type = scalar
        return
    field.type = _Field.TYPE_MESSAGE
    if name:
        field.type_name = f".{_PACKAGE}.{name}"
    else:
        field.type_name = _LIST if found.get("type") == "array" else _STRUCT


def _present(schema: _Schema) -> _Schema:
    """Return the schema of a field that may be null where it is not."""
    options = (each for each in schema.get("anyOf", ()) if each.get("type") != "null")
    return next(options, schema)
