"""Every package is pinned with the hashes of its files, and no other file is accepted."""

import ast
import hashlib
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.deploy.package import ROOT, download_wheels

ZIP, OPERATORS, DEVELOPERS = "requirements.txt", "requirements-ops.txt", "requirements-dev.txt"
LAYERS = {"requirements-draw.txt": "py-arkworks-bls12381", "requirements-desk.txt": "joserfc"}
"""What only one function needs, and the package that it imports."""
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)((?: ; .*?)?)((?: +--hash=sha256:[0-9a-f]{64})*)$")
OPERATOR_CODE = [
    *(
        path
        for folder in ("chalicelib", "infra/deploy", "infra/ops", "infra/servicefile")
        for path in (ROOT / folder).rglob("*.py")
    ),
    *(ROOT / file for file in ("infra/local/settings.py", "infra/tools/command_line.py", "infra/tools/numbers.py")),
]
"""The code of the deployment and of the operator program, with what they use of infra.local and infra.tools."""


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package of a list. Fail for a line that is not a pin."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", "")
    matches = [PIN.match(line) for line in text.splitlines()]
    return {match[1]: (match[2], frozenset(match[4].split())) for match in matches if match or pytest.fail(text)}


@pytest.mark.parametrize("name", [ZIP, OPERATORS, DEVELOPERS])
def test_every_package_is_pinned_with_the_hashes_of_its_files(name: str) -> None:
    packages = pins(name)
    assert len(packages) > 20
    assert [package for package, (_, hashes) in packages.items() if not hashes] == []


def test_each_list_pins_the_versions_that_the_tests_use() -> None:
    assert pins(ZIP).items() <= pins(OPERATORS).items() <= pins(DEVELOPERS).items()
    assert all(pins(layer).items() <= pins(DEVELOPERS).items() for layer in LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_only_one_function_needs_is_in_its_layer_and_not_in_the_zip(layer: str) -> None:
    assert LAYERS[layer] in pins(layer)
    assert all(hashes for _, hashes in pins(layer).values())
    assert not pins(layer).keys() & pins(ZIP).keys()


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def test_operators_need_only_the_packages_of_their_list() -> None:
    modules = {module for path in OPERATOR_CODE for module in imported(path)}
    files = {str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in OPERATOR_CODE}
    own = {module for module in modules if module.startswith("infra.")}
    assert own - files <= {"infra.deploy", "infra.ops", "infra.servicefile"}
    distributions = packages_distributions()
    foreign = {module.partition(".")[0] for module in modules - own} - sys.stdlib_module_names - {"app", "chalicelib"}
    layers = {name.replace("-", "_") for name in LAYERS.values()}  # the operator program verifies no signature
    layers.add("py_ecc")  # and whoever runs the checker chooses whether to install this
    needed = {distributions[module][0].lower() for module in foreign - layers - {"infra"}}
    assert needed <= pins(OPERATORS).keys()
    assert not {"aiosmtpd", "locust", "ministack", "playwright"} & pins(OPERATORS).keys()


def make_wheel(folder: Path, name: str) -> str:
    """Write a wheel of one empty module, and return its hash."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {file: urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for file, text in files.items()}
    lines = [f"{file},sha256={digest.decode().rstrip('=')}," for file, digest in digests.items()]
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"])}.items():
            wheel.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_with_its_pinned_hash_is_downloaded_and_any_other_file_is_refused(tmp_path: Path) -> None:
    digest, pin_list, into = make_wheel(tmp_path / "index", "exemple"), tmp_path / "pins.txt", tmp_path / "wheels"
    env = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}
    pin_list.write_text(f"exemple==1.0 --hash=sha256:{digest}\n")
    folder = download_wheels(pin_list, into=into, env=env)
    assert [file.name for file in folder.iterdir()] == ["exemple-1.0-py3-none-any.whl"]
    assert download_wheels(pin_list, into=into, env={}) == folder
    pin_list.write_text(f"exemple==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        download_wheels(pin_list, into=into, env=env)
    assert "DO NOT MATCH THE HASHES" in refused.value.stderr
    assert list(into.iterdir()) == [folder]
