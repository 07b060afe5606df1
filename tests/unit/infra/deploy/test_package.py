"""What the Lambda zip has and what it leaves out."""

import gzip
import json
import os
import sys
from pathlib import Path
from shutil import copy, copytree
from zipfile import ZipFile

import botocore
import pytest
from jinja2 import Environment, ModuleLoader

from chalicelib.domain.languages import SOURCE, TABLE
from chalicelib.rendering import templates
from infra.deploy import rollout
from infra.deploy.package import (
    ROOT,
    compile_modules,
    copy_sources,
    remove_outdated,
    set_runtime,
    trim_botocore,
    write_layer,
)
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage

DATA = Path(botocore.__file__).parent / "data"


def test_botocore_keeps_the_endpoints_of_three_services_and_no_documentation(tmp_path: Path) -> None:
    copy(DATA / "endpoints.json", tmp_path)
    copytree(DATA / "dynamodb" / "2012-08-10", tmp_path / "dynamodb")
    trim_botocore(tmp_path)
    aws = json.loads((tmp_path / "endpoints.json").read_text("utf-8"))["partitions"][0]
    model = json.loads(gzip.decompress((tmp_path / "dynamodb" / "service-2.json.gz").read_bytes()))
    assert set(aws["services"]) == {"dynamodb", "email", "sts"}
    assert "eu-west-3" in aws["services"]["dynamodb"]["endpoints"]
    assert "UpdateItem" in model["operations"]
    assert '"documentation"' not in json.dumps(model)


def test_a_zip_that_was_made_by_other_rules_is_not_used_again(tmp_path: Path) -> None:
    rules, before, after = (tmp_path / name for name in ("package.py", "before.zip", "after.zip"))
    for at, path in enumerate((before, rules, after)):
        path.touch()
        os.utime(path, (at, at))
    remove_outdated(tmp_path, rules)
    assert [path.name for path in tmp_path.glob("*.zip")] == ["after.zip"]


def test_every_template_is_packaged_as_python(tmp_path: Path) -> None:
    compiled = Environment(
        loader=ModuleLoader(copy_sources(tmp_path) / "chalicelib" / templates.COMPILED), autoescape=True
    )
    templates_folder = ROOT / "chalicelib" / "templates"
    names = [str(path.relative_to(templates_folder)) for path in templates_folder.rglob("*.*")]
    assert [name for name in names if compiled.get_template(name).name != name] == []
    assert len(names) > 20


def test_every_catalogue_is_packaged_compiled(tmp_path: Path) -> None:
    locale = copy_sources(tmp_path) / "chalicelib" / "locale"
    packaged = {str(path.relative_to(locale)) for path in locale.rglob("guichet.*")}
    translated = [language.catalogue for language in TABLE.values() if language.code != SOURCE]
    assert packaged == {f"{catalogue}/LC_MESSAGES/guichet.mo" for catalogue in translated}


def test_every_function_of_the_template_gets_the_python_of_the_stage(tmp_path: Path) -> None:
    template = tmp_path / "sam.yaml"
    template.write_text("A:\n  Runtime: python3.11\nB:\n  Runtime: python3.9\n")
    set_runtime(template, "3.14")
    assert template.read_text() == "A:\n  Runtime: python3.14\nB:\n  Runtime: python3.14\n"


def test_a_layer_has_its_package_where_lambda_looks_and_is_the_same_each_time(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    for name in (
        *("exemple/__init__.py", "exemple/py.typed", "exemple.pyi", "exemple-1.0.dist-info/RECORD"),
        *("bin/exemple", "share/man/exemple.1", ".lock"),
    ):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    for name in ("a.zip", "b.zip"):
        write_layer(packages, tmp_path / name)
    assert ZipFile(tmp_path / "a.zip").namelist() == [
        "python/exemple/__init__.py",
        f"python/exemple/__pycache__/__init__.{sys.implementation.cache_tag}.pyc",
    ]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_without_an_interpreter_of_that_version_a_warning_says_what_it_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "exemple.py").touch()
    compile_modules(tmp_path, "3.99")
    assert [path.name for path in tmp_path.iterdir()] == ["exemple.py"]
    assert capsys.readouterr().out == (
        "warning: there is no Python 3.99 here: each cold start of a function compiles its modules first\n"
    )


def test_a_stage_is_packaged_for_the_python_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged: dict[str, str] = {}
    versions = type("Versions", (), dict.fromkeys(("live", "published"), lambda _: {}))()
    monkeypatch.setattr(Deployment, "versions", versions)
    monkeypatch.setattr(Deployment, "plan_app", lambda *_: None)
    monkeypatch.setattr(rollout, "package", lambda stage, *, python: packaged.update({stage: python}))
    stage = Stage("trial", "111122223333", "eu-west-3", "3.14", (), {}, {}, {})
    rollout.deploy_functions(stage, Deployment("trial", lambda _: None), ask=lambda _: None)
    assert packaged == {"trial": "3.14"}
