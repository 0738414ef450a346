"""Contracts of the released tables, run by Great Expectations in this process.

No network, no telemetry, and no value of a table anywhere in the result: each expectation is
answered with yes or no, and the pages are rendered from a record that holds the suite and these
answers, nothing else. What is not in the record cannot be on the page.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from sluice.config import Config
from sluice.files import replacing_folder, sha256_json, write_json
from sluice.gates.evidence import TIER
from sluice.gates.frames import Released, frame, released_files
from sluice.gates.suites import Expectation, Suite, filled, load_suites, suites_for
from sluice.release.pages import write_page


@dataclass(frozen=True)
class Contract:
    """What became of one suite.

    Parameters
    ----------
    suite, about, product
        Its name and promise, and the product that its table belongs to.
    checked
        Number of expectations.
    failed
        Each failed expectation in words: what, and which column. Never a value.
    digest
        SHA-256 of the filled suite.
    """

    suite: str
    about: str
    product: str
    checked: int
    failed: tuple[str, ...] = ()
    digest: str = ""


Answers = list[tuple[Expectation, bool | None]]
"""Each expectation with its answer; ``None`` where it could not be evaluated."""


def check_contracts(config: Config, tier: str, plan: Mapping[str, Any]) -> list[Contract]:
    """Judge every released table by its suite and write the Data Docs.

    A file without a product or without a suite is a failed contract of the tier, a product that
    is on and has no file a failed contract of that product.

    Returns
    -------
    list[Contract]
        Sorted by suite.
    """
    rules = config.policy.tiers[tier]
    suites, released = load_suites(tier), released_files(config, tier, plan)
    runner = _Runner()
    contracts, pages = _unclaimed(plan, released), []
    for files in released:
        fitting = suites_for(suites, files.modality, files.name)
        if not files.product:
            continue
        if not fitting:
            contracts.append(_fault(files.modality, TIER, "a released file has no contract"))
        for suite in fitting:
            table = frame(files, suite.frame)
            name = _page_name(suite, files)
            wanted = filled(suite, rules, plan, table, files.product)
            answers = runner.answers(name, table, wanted)
            contracts.append(_contract(name, suite, files.product, answers))
            pages.append((contracts[-1], wanted, runner.sections(name, answers)))
    _write_docs(config, tier, pages)
    return sorted(contracts, key=lambda contract: (contract.suite, contract.product))


def _page_name(suite: Suite, files: Released) -> str:
    """Name the judged table: a suite that fits several files is told apart by product or file."""
    if suite.file.startswith("*."):
        return f"{suite.name}_{files.product}"
    return f"{suite.name}_{Path(files.name).stem}" if suite.file.endswith("*.h5ad") else suite.name


def _unclaimed(plan: Mapping[str, Any], released: Sequence[Released]) -> list[Contract]:
    """Return faults of the file list itself."""
    homeless = sorted({files.modality for files in released if not files.product})
    faults = [_fault(m, TIER, "released files belong to no product") for m in homeless]
    written = {files.product for files in released}
    for name, product in sorted(plan["products"].items()):
        if product["status"] == "on" and name not in written:
            faults.append(_fault(product["modality"], name, "no file of this product was written"))
    return faults


def _fault(modality: str, product: str, what: str) -> Contract:
    return Contract(f"files_of_{modality}", "Each file has a product", product, 1, (what,))


def _contract(name: str, suite: Suite, product: str, answers: Answers) -> Contract:
    failed = tuple(_in_words(wanted, answer) for wanted, answer in answers if answer is not True)
    digest = sha256_json([wanted for wanted, _ in answers])
    return Contract(name, suite.about, product, len(answers), failed, digest)


def _in_words(wanted: Expectation, answer: bool | None) -> str:
    words = wanted["type"].removeprefix("expect_").replace("_", " ")
    column = wanted["kwargs"].get("column") or wanted["kwargs"].get("column_A")
    place = f" (column {column})" if column else ""
    return ("could not be evaluated: " if answer is None else "does not hold: ") + words + place


class _Runner:
    """Great Expectations, loaded once (it takes seconds) and kept away from disk and network."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the package is imported
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(),
                progress_bars=ProgressBarsConfig(globally=False),
                analytics_enabled=False,
            ),
        )
        self._gx = gx
        self._tables = context.data_sources.add_pandas("released")

    def answers(self, name: str, table: pd.DataFrame, wanted: Sequence[Expectation]) -> Answers:
        """Run expectations on a table."""
        asset = self._tables.add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
        answers: Answers = []
        for expectation in wanted:
            # One suite each: results of a longer one come back in another order.
            suite = self._gx.ExpectationSuite(name=name, expectations=[dict(expectation)])
            result = batch.validate(suite, result_format="BOOLEAN_ONLY").results[0]
            raised = (
                "raised_exception" not in result.exception_info
                or (result.exception_info["raised_exception"])
            )
            # An exception's text may quote a value: only that there was one is kept.
            answers.append((expectation, None if raised else bool(result.success)))
        return answers

    def sections(self, name: str, answers: Answers) -> list[Markup]:
        """Render the answers as the sections of Great Expectations' validation page."""
        from great_expectations.core import (
            ExpectationSuiteValidationResult,
            ExpectationValidationResult,
        )
        from great_expectations.expectations.expectation_configuration import (
            ExpectationConfiguration,
        )
        from great_expectations.render.renderer import ValidationResultsPageRenderer  # type: ignore[attr-defined]
        from great_expectations.render.view import DefaultJinjaSectionView  # type: ignore[attr-defined]

        results = [
            ExpectationValidationResult(
                success=answer is True,
                expectation_config=ExpectationConfiguration(
                    type=wanted["type"], kwargs=_shown(wanted["kwargs"])
                ),
                result={},
                exception_info={
                    "raised_exception": False,
                    "exception_message": None,
                    "exception_traceback": None,
                },
            )
            for wanted, answer in answers
        ]
        page = ValidationResultsPageRenderer(run_info_at_end=True).render(
            ExpectationSuiteValidationResult(
                success=all(answer is True for _, answer in answers),
                suite_name=name,
                results=results,
                statistics={},
                meta={"run_id": {"run_name": name, "run_time": "1970-01-01T00:00:00+00:00"}},
            )
        )
        view = DefaultJinjaSectionView()
        # The first section repeats the heading, the last one gives the time of the run.
        bodies = [
            view.render({"section": section.to_json_dict(), "section_loop": {"index": place}})
            for place, section in enumerate(page.sections[1:-1], 1)
        ]
        return [Markup(_local(body, place)) for place, body in enumerate(bodies, 1)]  # noqa: S704


def _shown(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Escape names of columns: Great Expectations puts them into headings as they are."""
    return {
        key: html.escape(value) if key.startswith("column") and isinstance(value, str) else value
        for key, value in kwargs.items()
    }


def _local(body: str, place: int) -> str:
    """Make a section self-contained: no script, nothing from outside, ids of its own."""
    body = re.sub(r"<script\b.*?</script>|<link\b[^>]*>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s(?:src|href|data-[a-z-]+|style)="[^"]*"', "", body)
    return re.sub(r' id="(?:section-\d+-)?', f' id="part-{place}-', body)


def _write_docs(
    config: Config,
    tier: str,
    pages: Iterable[tuple[Contract, list[Expectation], list[Markup]]],
) -> None:
    """Write the index, one page a suite, and each filled suite as JSON."""
    address = f"{config.release.cohort}/{config.release.version}/{tier}"
    ordered = sorted(pages, key=lambda page: page[0].suite)
    with replacing_folder(config.layout.datadocs(tier)) as folder:
        common = {"address": address, "demo": config.site.demo}
        write_page(
            folder / "index.html",
            "datadocs_index.html",
            contracts=[contract for contract, _, _ in ordered],
            **common,
        )
        for contract, wanted, sections in ordered:
            _write_suite(folder, contract, wanted)
            write_page(
                folder / f"{contract.suite}.html",
                "datadocs_suite.html",
                contract=contract,
                sections=sections,
                **common,
            )


def _write_suite(folder: Path, contract: Contract, wanted: list[Expectation]) -> None:
    write_json(
        folder / f"{contract.suite}.json",
        {"name": contract.suite, "meta": {"about": contract.about}, "expectations": wanted},
    )
