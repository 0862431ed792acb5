"""Dockerfile and manifests of a Bento, judged by hadolint and by the schemas of Kubernetes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from automl_serving.container import USER, dockerfile, write_container
from automl_serving.kubernetes import label, manifests
from automl_serving.requirements import Pin

PLAIN = (Pin("numpy", "2.4.6"), Pin("xgboost", "3.2.0", needs=("numpy",)))
LIGHT = (*PLAIN, Pin("lightgbm", "4.7.0", needs=("numpy",)))
LOCAL = (*PLAIN, Pin("torch", "2.13.0", "cpu", ("numpy",)))


@pytest.mark.parametrize("pins", [PLAIN, LIGHT, LOCAL], ids=["plain", "lightgbm", "torch"])
def test_hadolint_finds_nothing_in_a_dockerfile(pins: tuple[Pin, ...], tmp_path: Path) -> None:
    write_container(tmp_path, "churn", 3, pins)
    hadolint = shutil.which("hadolint")
    assert hadolint, "it comes with the test extra"
    done = subprocess.run([hadolint, str(tmp_path / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dockerfile_installs_wheels_only_and_does_not_run_as_root() -> None:
    lines = dockerfile("churn", 3, PLAIN).splitlines()
    assert [line for line in lines if line.startswith("USER ")] == [f"USER {USER}:{USER}"]
    text = "\n".join(lines)
    assert "--only-binary :all:" in text
    assert "apt-get" not in text
    assert "/livez" in text
    assert "COPY . " not in text
    assert "libgomp1" in dockerfile("churn", 3, LIGHT)


def test_a_complete_list_is_installed_as_it_is_and_a_local_build_with_what_it_needs() -> None:
    assert "--no-deps" in dockerfile("churn", 3, PLAIN)
    assert "--no-deps" not in dockerfile("churn", 3, LOCAL)


def test_the_manifests_are_what_kubernetes_takes() -> None:
    documents = documents_of("churn")
    assert [document["kind"] for document in documents] == ["Deployment", "Service", "HorizontalPodAutoscaler"]
    for document in documents:
        for release in (kubernetes_validate.latest_version(), "1.29"):
            kubernetes_validate.validate(document, release, strict=True)
    pod = documents[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == USER
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["image"] == "churn:3"
    [keys] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    [file] = [variable["value"] for variable in container["env"] if variable["name"] == "AUTOML_KEYS"]
    [mounted] = [mount for mount in container["volumeMounts"] if file == f"{mount['mountPath']}/keys.json"]
    assert (keys["secretName"], mounted["name"], mounted["readOnly"]) == ("churn-keys", "keys", True)
    selected = documents[1]["spec"]["selector"]
    assert selected.items() <= documents[0]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("churn", "churn"), ("telco_churn", "telco-churn"), ("2024.sales", "model-2024-sales"), ("a" * 64, "a" * 63)],
)
def test_a_name_becomes_one_that_kubernetes_allows(name: str, expected: str) -> None:
    assert label(name) == expected
    documents_of(name)


def documents_of(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifests(name, 3, PLAIN)))
