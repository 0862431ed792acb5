"""What is in a package: a bill of materials in CycloneDX 1.6 (ECMA-424), JSON."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from automl.model.artifact import MANIFEST, read_card, read_manifest
from automl_serving.carried import DISTRIBUTION
from automl_serving.requirements import Pin

FILE = "sbom.cdx.json"
MOST_LETTERS = 120  # of a licence's name; some write the whole licence there

Record = dict[str, Any]


def write_sbom(bento: Path, artifact: Path, name: str, number: int, pins: Sequence[Pin]) -> None:
    """Write the bill of a Bento beside its files."""
    bill = bill_of_materials(artifact, name, number, pins)
    (bento / FILE).write_text(json.dumps(bill, indent=1, ensure_ascii=False), encoding="utf-8")


def bill_of_materials(artifact: Path, name: str, number: int, pins: Sequence[Pin]) -> Record:
    """The endpoint, its model with the hash of its manifest (which has those of all its files), our code, each pin."""
    references = {pin.name: f"pkg:pypi/{pin.name}@{pin.version}" for pin in pins}
    code = f"pkg:pypi/{DISTRIBUTION}@{metadata.version(DISTRIBUTION)}"
    model = f"model/{name}@{number}"
    needed = {need for pin in pins for need in pin.needs}
    roots = [references[pin.name] for pin in pins if pin.name not in needed]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "tools": {"components": [{"type": "application", "name": "automl package", "version": _version(code)}]},
            "component": {"type": "application", "bom-ref": "endpoint", "name": name, "version": str(number)},
        },
        "components": [
            _model(artifact, model, name, number),
            _library(DISTRIBUTION, _version(code), code),
            *(_library(pin.name, pin.version, references[pin.name]) for pin in pins),
        ],
        "dependencies": [
            {"ref": "endpoint", "dependsOn": [model, code]},
            {"ref": model},
            {"ref": code, "dependsOn": sorted(roots)},
            *({"ref": references[pin.name], "dependsOn": [references[need] for need in pin.needs]} for pin in pins),
        ],
    }


def _model(artifact: Path, reference: str, name: str, number: int) -> Record:
    manifest, card = read_manifest(artifact), read_card(artifact)
    digest = hashlib.sha256((artifact / MANIFEST).read_bytes()).hexdigest()
    facts = {"task": manifest["task"], "modality": manifest["modality"], "data": manifest["fingerprint"]}
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": name,
        "version": str(number),
        "description": f"fitted on {card.rows} rows, {card.created}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": [{"name": f"automl:{key}", "value": str(value)} for key, value in facts.items()],
    }


def _library(name: str, version: str, reference: str) -> Record:
    record: Record = {"type": "library", "bom-ref": reference, "name": name, "version": version, "purl": reference}
    licence = _licence(name)
    return {**record, "licenses": [licence]} if licence else record


def _licence(name: str) -> Record:
    """What a distribution says of its licence, in the best form it has; empty if it says nothing."""
    told = metadata.metadata(name)
    if "License-Expression" in told:
        return {"expression": told["License-Expression"]}
    classes = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License ::")]
    plain = " ".join(told["License"].split()) if "License" in told else ""
    words = plain if 0 < len(plain) <= MOST_LETTERS else ", ".join(classes)
    return {"license": {"name": words}} if words else {}


def _version(reference: str) -> str:
    return reference.rpartition("@")[2]
