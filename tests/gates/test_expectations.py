"""Contracts catch what must not leave, and their pages hold no value of any table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from tests.gates.small import person, plan, small_config, tables, write_tier

from sluice.config import Config
from sluice.expression.write import write_h5ad
from sluice.files.tables import write_table
from sluice.gates.expectations import Contract, check_contracts
from sluice.gates.frames import Released, frame
from sluice.gates.suites import load_suites

CANARY = "CANARYQX 1897-03-05"


def contracts(root: Path, changed: dict[str, pd.DataFrame] | None = None) -> dict[str, Contract]:
    """Run the registered tier's contracts on the small tables, some of them changed."""
    config = small_config(root)
    write_tier(config, released=tables() | (changed or {}))
    return {c.suite: c for c in check_contracts(config, "registered", plan())}


def changed(name: str, **columns: Any) -> dict[str, pd.DataFrame]:
    """Return one of the small tables with other columns."""
    path = next(path for path in tables() if path.endswith(name))
    return {path: tables()[path].assign(**columns)}


def pages(config: Config) -> dict[str, bytes]:
    folder = config.layout.datadocs("registered")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.*"))}


def test_clean_tables_keep_their_contracts(tmp_path: Path) -> None:
    found = contracts(tmp_path)
    assert set(found) == {
        "registered_people",
        "registered_visits",
        "registered_bulk_group_means",
    }
    assert all(contract.failed == () and contract.checked > 5 for contract in found.values())


def test_a_fault_of_each_kind_is_caught(tmp_path: Path) -> None:
    people = [person(number) for number in range(12)]
    faults = {
        "an exact age": changed("people.parquet", age=["47", *["40-59"] * 11]),
        "a finer band than the plan's": changed("people.parquet", age=["40-49", *["40-59"] * 11]),
        "a column that the policy does not name": changed("people.parquet", city="x"),
        "a person twice": changed("people.parquet", person=[people[0], *people[:11]]),
        "a person without a pseudonym": changed("people.parquet", person=["MRN 1", *people[1:]]),
        "a missing person": changed("people.parquet", person=[None, *people[1:]]),
        "a date": changed("visits.parquet", days=pd.Timestamp("2020-01-01")),
        "a date as text": changed("people.parquet", sex=["2020-01-01", *["male"] * 11]),
        "a day that is no bin": changed("visits.parquet", days=[17, *[0] * 11]),
        "a formula": changed("people.parquet", sex=["=cmd()", *["male"] * 11]),
        "markup": changed("people.parquet", sex=["<script>", *["male"] * 11]),
        "a mail address": changed("people.parquet", sex=["a@b.org", *["male"] * 11]),
        "a group of too few donors": changed("group_means.parquet", donors=19),
    }
    config = small_config(tmp_path)
    for fault, table in faults.items():
        write_tier(config, released=tables() | table)
        found = check_contracts(config, "registered", plan())
        assert any(contract.failed for contract in found), fault


def test_the_documents_of_great_expectations_print_values_and_ours_do_not(tmp_path: Path) -> None:
    planted = changed("people.parquet", age=[CANARY, *["40-59"] * 11])
    by_default = _default_documents(planted["clinical/all/people.parquet"], tmp_path / "default")
    assert CANARY in by_default, "the attack: default settings print the failing value"
    found = contracts(tmp_path, planted)
    assert any("column age" in failed for failed in found["registered_people"].failed)
    ours = pages(small_config(tmp_path))
    assert "registered_people.html" in ours
    assert b"age" in ours["registered_people.html"]
    for name, content in ours.items():
        assert b"CANARYQX" not in content and b"1897" not in content, name
        assert person(0).encode() not in content, name


def _default_documents(table: pd.DataFrame, folder: Path) -> str:
    """Return the text of Data Docs as Great Expectations makes them by itself."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    site: Any = {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder),
        },
    }
    context.add_data_docs_site("site", site)
    asset = context.data_sources.add_pandas("released").add_dataframe_asset("people")
    data = asset.add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(
        name="s",
        expectations=[
            {
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "age", "value_set": ["40-59"]},
            }
        ],
    )
    run = gx.ValidationDefinition(name="v", data=data, suite=context.suites.add(suite))
    context.validation_definitions.add(run).run(batch_parameters={"dataframe": table})
    context.build_data_docs(site_names=["site"])
    return "".join(p.read_text() for p in folder.rglob("*.html"))


def test_an_expectation_that_breaks_fails_without_quoting_the_value(tmp_path: Path) -> None:
    odd = changed("group_means.parquet", donors=CANARY)
    found = contracts(tmp_path, odd)["registered_bulk_group_means"]
    assert any("could not be evaluated" in failed for failed in found.failed)
    assert "CANARYQX" not in repr(found)
    assert not any(b"CANARYQX" in content for content in pages(small_config(tmp_path)).values())


def test_a_hostile_column_name_stays_text(tmp_path: Path) -> None:
    table = tables()["clinical/all/people.parquet"].assign(**{"<img src=x>": "a"})
    found = contracts(tmp_path, {"clinical/all/people.parquet": table})
    assert found["registered_people"].failed
    shown = [c for n, c in pages(small_config(tmp_path)).items() if n.endswith(".html")]
    assert shown
    assert not any(b"<img" in content for content in shown)


def test_documents_are_the_same_bytes_and_ask_for_nothing_outside(tmp_path: Path) -> None:
    contracts(tmp_path / "a")
    contracts(tmp_path / "b")
    first, second = pages(small_config(tmp_path / "a")), pages(small_config(tmp_path / "b"))
    assert first == second
    for name, content in first.items():
        if name.endswith(".html"):
            assert b"http" not in content.replace(b"http-equiv", b""), name
            assert b"<script" not in content
            targets = re.findall(rb'(?:href|src)="([^"]*)"', content)
            local = [t.decode() for t in targets if not t.startswith((b"#", b"data:"))]
            assert all(t in first or t == "../review/index.html" for t in local), local


def test_files_that_nobody_claims_stop_the_tier(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    write_tier(config)
    folder = config.layout.data("registered", "bulk", "all")
    write_table(folder / "leftover.parquet", pd.DataFrame({"x": [1]}))
    found = {c.suite: c for c in check_contracts(config, "registered", plan())}
    assert (found["files_of_bulk"].product, len(found["files_of_bulk"].failed)) == ("tier", 1)


def test_a_claimed_file_without_a_contract_stops_the_tier(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    write_tier(config)
    folder = config.layout.data("registered", "clinical", "all")
    write_table(folder / "notes.parquet", pd.DataFrame({"x": [1]}))
    found = {c.suite: c for c in check_contracts(config, "registered", plan())}
    assert found["files_of_clinical"].product == "tier"
    assert "no contract" in found["files_of_clinical"].failed[0]


def test_a_product_that_is_on_without_a_file_fails(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    write_tier(config, released={k: v for k, v in tables().items() if k.startswith("clinical")})
    found = [c for c in check_contracts(config, "registered", plan()) if c.failed]
    assert [c.product for c in found] == ["group_means"]


def test_public_answers_stay_in_the_budget_and_the_domain(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    folder = config.layout.data("public", "products", "all")
    answers = pd.DataFrame(
        {
            "sex": ["female", "male"],
            "value": [70, 75],
            "mechanism": "gaussian",
            "epsilon": 0.2,
            "delta": 1e-7,
            "scale": 18.3,
        }
    )
    on = {"modality": "clinical", "title": "", "status": "on", "reason": ""}
    planned = {"products": {"counts": on, "synthetic": on}, "modalities": {}}
    write_table(folder / "synthetic.parquet", pd.DataFrame({"sex": ["female", "male"]}))
    write_table(folder / "counts.parquet", answers)
    assert not any(c.failed for c in check_contracts(config, "public", planned))
    for bad in ({"epsilon": 0.8}, {"mechanism": "none"}, {"sex": ["female", "x"]}, {"scale": 0.0}):
        write_table(folder / "counts.parquet", answers.assign(**bad))
        failed = [c for c in check_contracts(config, "public", planned) if c.failed]
        assert [c.product for c in failed] == ["counts"], bad


def test_every_suite_is_a_contract_that_can_be_read() -> None:
    for tier in ("controlled", "registered", "public"):
        suites = load_suites(tier)
        assert suites
        assert all(suite.about.endswith(".") for suite in suites)


def test_the_slots_of_an_h5ad_show_what_it_carries(tmp_path: Path) -> None:
    file = tmp_path / "expression.h5ad"
    obs = pd.DataFrame({"person": ["a", "b"]}, index=["S1", "S2"])
    var = pd.DataFrame({"symbol": ["X"]}, index=["ENSG1"])
    write_h5ad(file, [np.ones((2, 1))], obs, var, title="t", schema="s")
    released = Released("bulk", "expression.h5ad", "gene_matrix", ((tmp_path, file),))
    assert list(frame(released, "slots")["slot"]) == ["X", "obs", "uns/schema", "uns/title", "var"]
    assert list(frame(released, "obs").columns) == ["name", "person"]


def test_the_headers_of_a_series_show_a_preamble_and_who_it_says_it_is(tmp_path: Path) -> None:
    file = tmp_path / "Pabc" / "2.25.1" / "2.25.2" / "2.25.3.dcm"
    file.parent.mkdir(parents=True)
    shutil.copy(str(get_testdata_file("CT_small.dcm")), file)
    data = dcmread(file)
    data.preamble = b"MZ" + bytes(126)
    data.PatientID, data.PatientBirthDate = "Pabc", "18970305"
    data.save_as(file)
    released = Released("imaging", "**/*.dcm", "studies", ((tmp_path, file),))
    row = frame(released, "headers").iloc[0]
    assert not row["preamble_is_empty"]
    assert (row["person"], row["patient_id"], row["birth_date"]) == ("Pabc", "Pabc", "18970305")


def test_great_expectations_is_not_loaded_by_importing_the_gates() -> None:
    import subprocess
    import sys

    code = "import sys, sluice.gates; raise SystemExit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.usefixtures("chromium")
def test_the_documents_open_without_errors_or_requests(tmp_path: Path) -> None:
    from tests.system.browser import PageReport, inspect

    contracts(tmp_path, changed("people.parquet", age="47"))
    folder = small_config(tmp_path).layout.datadocs("registered")
    for name in ("index.html", "registered_people.html"):
        assert inspect(folder / name) == PageReport()
