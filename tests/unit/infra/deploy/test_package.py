"""What the Lambda zip has and what it leaves out."""

import gzip
import json
from pathlib import Path
from shutil import copy, copytree
from zipfile import ZipFile

import botocore
from jinja2 import Environment, ModuleLoader

from chalicelib.domain.languages import SOURCE, TABLE
from chalicelib.rendering import templates
from infra.deploy.package import ROOT, copy_sources, offline, trim_botocore, write_layer

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


def test_pip_finds_the_wheels_of_a_folder_whose_path_has_a_space() -> None:
    assert offline(Path("/tmp/a b/wheels"))["PIP_FIND_LINKS"] == "file:///tmp/a%20b/wheels"  # noqa: S108 - not opened


def test_the_layer_of_the_draw_function_has_its_package_where_lambda_looks_and_is_the_same_each_time(
    tmp_path: Path,
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with ZipFile(wheels / "exemple-1.0-py3-none-any.whl", "w") as wheel:
        for name in ("exemple/__init__.py", "exemple/py.typed", "exemple.pyi", "exemple-1.0.dist-info/RECORD"):
            wheel.writestr(name, "")
    for name in ("a.zip", "b.zip"):
        write_layer(wheels, tmp_path / name)
    names = ZipFile(tmp_path / "a.zip").namelist()
    assert "python/exemple/__init__.py" in names
    assert [name for name in names if not name.startswith("python/exemple/__")] == []
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
