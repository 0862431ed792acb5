"""A Bento of a model: what is in it, and that it answers with nothing else and no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version as PackageVersion

from automl.store import Store, Version
from automl_serving.carried import DISTRIBUTION, SUFFIXES

from .conftest import churn_table, python_answer
from .members import member_version
from .test_server import READY_SECONDS, automl

NAME = "boosted"
CANARY = "63.4217"  # in a row of the training data that is no self-test row
REPOSITORY = Path(__file__).parents[2]
# Makes a network of its own with nothing but the loopback, then becomes the command.
CUT_OFF = """
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up and running
os.execv(sys.argv[1], sys.argv[1:])
"""
DEAD_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
# Serves the Bento given, sends it one row, stops it; prints the answer.
SERVE_AND_ASK = """
import json, os, signal, socket, subprocess, sys, time, urllib.request
probe = socket.socket(); probe.bind(("127.0.0.1", 0)); port = probe.getsockname()[1]; probe.close()
command = [sys.executable, "-m", "bentoml", "serve", sys.argv[1], "--host", "127.0.0.1", "--port", str(port)]
server = subprocess.Popen(command, stdout=sys.stderr)
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + float(sys.argv[3])
while True:
    assert server.poll() is None and time.monotonic() < deadline, "the Bento does not answer"
    try:
        ask(url + "/readyz"); break
    except OSError:
        time.sleep(0.1)
request = urllib.request.Request(url + "/predict", sys.argv[2].encode(), {"Content-Type": "application/json"})
print(ask(request).read().decode())
server.send_signal(signal.SIGTERM)
sys.exit(server.wait())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("home"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def version(home: Store) -> Version:
    """A version with XGBoost only, whose training data hold the canary."""
    table = churn_table()
    table.frame.loc[150, "Monthly Charges"] = CANARY
    return member_version(home, table, "Churn", ("xgboost",), NAME)


@pytest.fixture(scope="module")
def bento(home: Store, version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its Bento, built by the command with the network cut off."""
    folder = tmp_path_factory.mktemp("built") / "bento"
    words = automl("package", NAME, "--kubernetes", "-o", str(folder), "--store", str(home.folder))
    done = subprocess.run(cut_off(words), capture_output=True, text=True, env={**os.environ, **DEAD_PROXY})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pins(bento: Path) -> dict[str, str]:
    """name -> version of what the Bento asks to be installed."""
    lines = (bento / "env" / "python" / "requirements.txt").read_text().split()
    return dict(line.split("==") for line in lines)  # type: ignore[misc]


def cut_off(command: list[str]) -> list[str]:
    """The command without a network, where the system lets us take it away."""
    if shutil.which("unshare") and subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0:
        return ["unshare", "-rn", sys.executable, "-c", CUT_OFF, *command]
    return command


def without_others(pins: dict[str, str], folder: Path) -> dict[str, str]:
    """Variables for a Python that finds of this environment only what is pinned, and not this repository."""
    allowed = {*pins, "pip", DISTRIBUTION}  # our own code is not hidden, but only found in the Bento
    hidden = [
        module
        for module, names in metadata.packages_distributions().items()
        if module.isidentifier() and not allowed & {canonicalize_name(name) for name in names}
    ]
    code = f"""
        import sys

        HIDDEN = frozenset({hidden!r})

        class Hide:
            def find_spec(self, name, path=None, target=None):
                if path is None and name in HIDDEN:
                    raise ModuleNotFoundError(f"hidden: {{name}}", name=name)

        sys.meta_path.insert(0, Hide())
        ours = [{str(REPOSITORY)!r} + part for part in ("", "/plugins", "/serving", "/monitoring")]
        sys.path[:] = [entry for entry in sys.path if entry not in ours]
    """
    (folder / "sitecustomize.py").write_text(textwrap.dedent(code))
    return {"PYTHONPATH": str(folder)}


def test_it_pins_what_answering_needs_and_nothing_else(pins: dict[str, str]) -> None:
    assert {"bentoml", "fastapi", "numpy", "xgboost"} <= set(pins)
    unneeded = {
        "automl-loop",
        "torch",
        "catboost",
        "lightgbm",
        "optuna",
        "evidently",
        "pandas",
        "scikit-learn",
        "plotly",
    }
    assert not unneeded & set(pins)
    assert not [name for name in pins if name.startswith("nvidia-nccl")]
    for name, version in pins.items():
        assert version == PackageVersion(metadata.version(name)).public


def test_it_answers_with_nothing_but_its_pins_and_no_network(
    bento: Path, pins: dict[str, str], version: Version, tmp_path: Path
) -> None:
    row = {"tenure": 40, "Monthly Charges": 55.5, "plan": "gold", "class": "Yes", "signed": "2024-05-06"}
    body = json.dumps({"rows": [row]})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOML")}
    environment |= {**DEAD_PROXY, **without_others(pins, tmp_path)}
    environment |= {"BENTOML_HOME": str(tmp_path / "bentoml"), "AUTOML_LOG": str(tmp_path / "log.jsonl")}
    command = cut_off([sys.executable, "-c", SERVE_AND_ASK, str(bento), body, str(READY_SECONDS)])
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert list(prediction["probabilities"].values()) == python_answer(version.folder, row)
    assert prediction["id"] in (tmp_path / "log.jsonl").read_text()


def test_only_named_files_enter_it(bento: Path, home: Store) -> None:
    source = bento / "src"
    packages = {"automl", "automl_serving", "automl_tabular"}
    names = {path.name for path in source.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"service.py", "model", "bentofile.yaml", *packages}
    carried = [path for package in packages for path in (source / package).rglob("*") if path.is_file()]
    assert {path.suffix for path in carried} <= SUFFIXES
    written = {"Dockerfile", ".dockerignore", "kubernetes.yaml", "sbom.cdx.json"}
    assert {path.name for path in bento.iterdir()} == {"src", "env", "apis", "bento.yaml", "README.md", *written}
    for path in bento.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert CANARY.encode() not in content, f"{path} holds a row of the training data"
            assert str(home.folder).encode() not in content, f"{path} names a folder of this machine"
            assert str(REPOSITORY).encode() not in content, f"{path} names a folder of this machine"


def test_its_bill_of_materials_is_cyclonedx_and_names_every_pin(bento: Path, pins: dict[str, str]) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (bento / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill: dict[str, Any] = json.loads(text)
    libraries = {each["name"]: each for each in bill["components"] if each["type"] == "library"}
    assert {name: each["version"] for name, each in libraries.items() if name != "automl-loop"} == pins
    assert {"expression": "Apache-2.0"} in libraries["automl-loop"]["licenses"]
    assert [each["name"] for each in bill["components"] if each["type"] == "machine-learning-model"] == [NAME]
    references = {each["bom-ref"] for each in bill["components"]} | {"endpoint"}
    assert {need for each in bill["dependencies"] for need in each.get("dependsOn", ())} <= references
