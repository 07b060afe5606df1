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

from infra.deploy.package import OWN_PYTHON, ROOT, install_packages

ZIP, OPERATORS, DEVELOPERS = "requirements.txt", "requirements-ops.txt", "requirements-dev.txt"
LAYERS = {"requirements-draw.txt": "py-arkworks-bls12381", "requirements-desk.txt": "joserfc"}
"""What only one function needs, and the package that it imports."""
SYSTEMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_39_x86_64", "macosx_14_0_arm64")
"""Systems for which packages have wheels. Lambda can run those of the first one, and from 3.12 on of the second one."""
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


def pins(name: str) -> dict[str, set[tuple[str, frozenset[str]]]]:
    """Return the versions of each package of a list, with their hashes. Fail for a line that is not a pin."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", "")
    packages: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for line in text.splitlines():
        match = PIN.match(line) or pytest.fail(line)
        packages.setdefault(match[1], set()).add((match[2], frozenset(match[4].split())))
    return packages


@pytest.mark.parametrize("name", [ZIP, OPERATORS, DEVELOPERS])
def test_every_package_is_pinned_with_the_hashes_of_its_files(name: str) -> None:
    packages = pins(name)
    assert len(packages) > 20
    assert [package for package, versions in packages.items() if not all(hashes for _, hashes in versions)] == []


def test_each_list_pins_the_versions_that_the_tests_use() -> None:
    assert pins(ZIP).items() <= pins(OPERATORS).items() <= pins(DEVELOPERS).items()
    assert all(pins(layer).items() <= pins(DEVELOPERS).items() for layer in LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_only_one_function_needs_is_in_its_layer_and_not_in_the_zip(layer: str) -> None:
    assert LAYERS[layer] in pins(layer)
    assert all(hashes for versions in pins(layer).values() for _, hashes in versions)
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


def make_wheel(folder: Path, name: str, tag: str = "py3-none-any") -> str:
    """Write a wheel of one empty module, and return its hash."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"TAG = '{tag}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    digests = {file: urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for file, text in files.items()}
    lines = [f"{file},sha256={digest.decode().rstrip('=')}," for file, digest in digests.items()]
    path = folder / f"{name}-1.0-{tag}.whl"
    with ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"])}.items():
            wheel.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def only(index: Path) -> dict[str, str]:
    """Return the environment in which uv knows the wheels of one folder."""
    return {**os.environ, "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index), "UV_NO_CACHE": "1"}


def test_a_package_with_its_pinned_hash_is_installed_once_and_any_other_file_is_refused(tmp_path: Path) -> None:
    digest, pin_list, into = make_wheel(tmp_path / "index", "exemple"), tmp_path / "pins.txt", tmp_path / "packages"
    env = only(tmp_path / "index")
    pin_list.write_text(f"exemple==1.0 --hash=sha256:{digest}\n")
    folder = install_packages(pin_list, OWN_PYTHON, into=into, env=env)
    assert (folder / "exemple.py").exists()
    assert install_packages(pin_list, OWN_PYTHON, into=into, env={}) == folder
    pin_list.write_text(f"exemple==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        install_packages(pin_list, OWN_PYTHON, into=into, env=env)
    assert "Hash mismatch" in refused.value.stderr
    assert list(into.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("python", "system", "modules"),
    [
        ("3.11", "cp311-cp311-manylinux2014_x86_64", {"ancien.py", "exemple.py"}),
        ("3.13", "cp313-cp313-manylinux_2_28_x86_64", {"exemple.py"}),
        ("3.14", "cp314-cp314-manylinux_2_28_x86_64", {"exemple.py"}),
    ],
)
def test_packages_are_chosen_for_the_python_and_the_system_of_lambda_and_not_for_those_that_package(
    tmp_path: Path, python: str, system: str, modules: set[str]
) -> None:
    tags = [f"cp{digits}-cp{digits}-{abi}" for digits in ("311", "313", "314") for abi in SYSTEMS]
    hashes = [f"--hash=sha256:{make_wheel(tmp_path / 'index', 'exemple', tag)}" for tag in tags]
    old = make_wheel(tmp_path / "index", "ancien")
    marked = f"ancien==1.0 ; python_full_version < '3.12' --hash=sha256:{old}"
    pin_list = tmp_path / "pins.txt"
    pin_list.write_text(f"exemple==1.0 {' '.join(hashes)}\n{marked}\n")
    folder = install_packages(pin_list, python, into=tmp_path / "packages", env=only(tmp_path / "index"))
    assert {path.name for path in folder.glob("*.py")} == modules
    assert system in (folder / "exemple.py").read_text()
