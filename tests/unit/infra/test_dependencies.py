"""What the project stands on: every package pinned with the hashes of its files, and no other file accepted."""

import hashlib
import os
import re
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.deploy.package import ROOT, fetch

PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)((?: ; .*?)?)((?: +--hash=sha256:[0-9a-f]{64})*)$")


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """The version and the hashes of each package of a file; a line that is not a pin fails here."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", "")
    read = [PIN.match(line) for line in text.splitlines()]
    return {found[1]: (found[2], frozenset(found[4].split())) for found in read if found or pytest.fail(text)}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned_with_the_hashes_of_its_files(name: str) -> None:
    found = pins(name)
    assert len(found) > 20
    assert [package for package, (_, hashes) in found.items() if not hashes] == []


def test_what_travels_is_what_was_tested() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def wheel(folder: Path, name: str) -> str:
    """An invented package of one empty module; its hash."""
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
    with ZipFile(path, "w") as made:
        for file, text in {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"])}.items():
            made.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_is_packed_by_its_hash_and_any_other_file_of_its_name_is_refused(tmp_path: Path) -> None:
    good, list_, into = wheel(tmp_path / "shop", "exemple"), tmp_path / "pins.txt", tmp_path / "wheels"
    env = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "shop")}
    list_.write_text(f"exemple==1.0 --hash=sha256:{good}\n")
    found = fetch(list_, into=into, env=env)
    assert [file.name for file in found.iterdir()] == ["exemple-1.0-py3-none-any.whl"]
    assert fetch(list_, into=into, env={}) == found
    list_.write_text(f"exemple==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        fetch(list_, into=into, env=env)
    assert "DO NOT MATCH THE HASHES" in refused.value.stderr
    assert list(into.iterdir()) == [found]
