"""What is taken out of the Lambda zip, and what is put into it."""

import gzip
import json
from pathlib import Path
from shutil import copy, copytree

import botocore
from jinja2 import Environment, ModuleLoader

from chalicelib import pages
from infra.package import ROOT, copy_sources, trim

DATA = Path(botocore.__file__).parent / "data"


def test_botocore_keeps_the_endpoints_of_three_services_and_no_documentation(tmp_path: Path) -> None:
    copy(DATA / "endpoints.json", tmp_path)
    copytree(DATA / "dynamodb" / "2012-08-10", tmp_path / "dynamodb")
    trim(tmp_path)
    aws = json.loads((tmp_path / "endpoints.json").read_text("utf-8"))["partitions"][0]
    model = json.loads(gzip.decompress((tmp_path / "dynamodb" / "service-2.json.gz").read_bytes()))
    assert set(aws["services"]) == {"dynamodb", "email", "sts"}
    assert "eu-west-3" in aws["services"]["dynamodb"]["endpoints"]
    assert "UpdateItem" in model["operations"]
    assert '"documentation"' not in json.dumps(model)


def test_every_template_travels_as_python(tmp_path: Path) -> None:
    compiled = Environment(loader=ModuleLoader(copy_sources(tmp_path) / "chalicelib" / pages.COMPILED), autoescape=True)
    names = [path.name for path in (ROOT / "chalicelib" / "templates").iterdir()]
    assert [name for name in names if compiled.get_template(name).name != name] == []
    assert len(names) > 20
