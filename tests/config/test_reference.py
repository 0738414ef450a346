"""The reference says what the models say."""

from __future__ import annotations

import json

import pytest

from sluice.config.reference import FILES, MEANINGS, page, schemas, write
from sluice.errors import SluiceError
from sluice.resources import shipped

MEND = "run `python -m sluice.config.reference`"


def test_the_page_does_not_drift_from_the_models():
    written = (shipped() / "docs" / "config.md").read_text(encoding="utf-8")
    assert written == page(schemas()), MEND


@pytest.mark.parametrize("name", FILES)
def test_the_schemas_do_not_drift_from_the_models(name):
    written = (shipped() / "resources" / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(written) == schemas()[name], MEND


def test_there_is_no_schema_of_a_file_that_is_gone():
    there = {path.stem for path in (shipped() / "resources" / "schemas").glob("*.json")}
    assert there == set(FILES)


def test_every_key_is_described_in_one_place_only():
    for name, (model, _) in FILES.items():
        schema = model.model_json_schema(by_alias=True)
        for section, keys in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
            said = {k for k, v in keys.get("properties", {}).items() if "description" in v}
            assert not {f"{section}.{key}" for key in said} & MEANINGS.keys(), name


def test_no_meaning_is_left_of_a_key_that_is_gone():
    known = set()
    for model, _ in FILES.values():
        schema = model.model_json_schema(by_alias=True)
        for section, keys in [(model.__name__, schema), *schema.get("$defs", {}).items()]:
            known |= {f"{section}.{key}" for key in keys.get("properties", {})}
    assert {key for key in MEANINGS if "." in key} <= known


def test_every_key_of_every_model_stands_on_the_page():
    text = page(schemas())
    for schema in schemas().values():
        for section in [schema, *schema.get("$defs", {}).values()]:
            for key in section["properties"]:
                assert f"| `{key}` |" in text


def test_outside_a_checkout_nothing_is_written(tmp_path):
    with pytest.raises(SluiceError, match="in a checkout"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_writing_twice_gives_the_same_bytes(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "resources" / "schemas").mkdir(parents=True)
    first = {path: path.read_bytes() for path in write(tmp_path)}
    assert {path: path.read_bytes() for path in write(tmp_path)} == first
    assert len(first) == len(FILES) + 1
