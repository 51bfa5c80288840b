"""From Trivy's CycloneDX document to a bill of materials that says what it is about.

Trivy is given a copy, so its document is about a folder of no meaning. Here it gets the digest of
the image or the model, and, for a model, every file with its SHA-256 (an ML-BOM). What only Trivy
reads is left out: a bundle has an end.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from interlock.api.digests import ModelFile
from interlock_pipelines.errors import BadInput
from interlock_pipelines.subjects import Image, Model

MAX_BYTES = 3_000_000
"""Of the document: signed, it is at most the 4 MiB that are read."""
_TRIVY = "aquasecurity:trivy:"
_KEPT = frozenset({f"{_TRIVY}FilePath", f"{_TRIVY}PkgType"})
_IMAGE_ID = f"{_TRIVY}ImageID"
_FIELDS = ("bomFormat", "specVersion", "serialNumber", "version")
Document = Mapping[str, Any]


def looked_at(bom: Document) -> frozenset[str]:
    """Return the digests of the image that a document of Trivy is about. Raises BadInput."""
    try:
        properties = bom["metadata"]["component"].get("properties", [])
        return frozenset(str(each["value"]) for each in properties if each["name"] == _IMAGE_ID)
    except (LookupError, TypeError, AttributeError) as error:
        raise _not_trivys(error) from error


def predicate(bom: Document, subject: Image | Model) -> dict[str, Any]:
    """Return a CycloneDX document about its subject. Raises BadInput."""
    about = _image(subject) if isinstance(subject, Image) else _model(subject)
    files = [] if isinstance(subject, Image) else [_file(each) for each in subject.tree.files]
    try:
        root = bom["metadata"]["component"]["bom-ref"]
        made = {
            **{name: bom[name] for name in _FIELDS},
            "metadata": {
                "timestamp": bom["metadata"]["timestamp"],
                "tools": bom["metadata"]["tools"],
                "component": {"bom-ref": root, **about},
            },
            "components": [_slim(each) for each in bom.get("components") or ()] + files,
            "dependencies": list(bom.get("dependencies") or ()),
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise _not_trivys(error) from error
    if (size := len(json.dumps(made))) > MAX_BYTES:
        raise BadInput(
            f"The bill of materials has {size} bytes, at most {MAX_BYTES} can be read when it is "
            "signed. Make the image smaller: it has more packages than anybody looks at."
        )
    return made


def _image(subject: Image) -> dict[str, Any]:
    name = subject.reference.partition("@")[0]
    version = quote(subject.digest, safe="")
    return {
        "type": "container",
        "name": name,
        "version": subject.digest,
        "purl": f"pkg:oci/{name.rpartition('/')[2].partition(':')[0]}@{version}"
        f"?repository_url={quote(name.partition(':')[0], safe='/')}",
        "hashes": _sha256(subject.digest.removeprefix("sha256:")),
    }


def _model(subject: Model) -> dict[str, Any]:
    digest = subject.digest
    return {
        "type": "machine-learning-model",
        "name": subject.tree.folder.resolve().name,
        "version": digest,
        "hashes": _sha256(digest.removeprefix("sha256:")),
    }


def _file(file: ModelFile) -> dict[str, Any]:
    return {
        "bom-ref": f"file:{file.path}",
        "type": "file",
        "name": file.path,
        "hashes": _sha256(file.sha256),
    }


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _slim(component: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what only Trivy reads."""
    kept = [each for each in component.get("properties") or () if each.get("name") in _KEPT]
    rest = {key: value for key, value in component.items() if key != "properties"}
    return rest | ({"properties": kept} if kept else {})


def _not_trivys(error: Exception) -> BadInput:
    return BadInput(f"The bill of materials is not one of Trivy's: {error!r}. Make it again.")
