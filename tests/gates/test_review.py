"""The review page says first what failed, holds the evidence, and runs nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.gates.small import SCORES, plan, score, small_config, write_tier

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.gates.evidence import read_evidence
from sluice.gates.judge import verdicts
from sluice.gates.review import policy_digest, write_review


def reviewed(root: Path, **written: Any) -> tuple[Config, str]:
    """Judge the small tier without its contracts, write the page, and return its text."""
    config = small_config(root)
    write_tier(config, **written)
    evidence = read_evidence(config.layout, "registered", config.modalities)
    settings = config.settings("validate", "registered")
    gates = verdicts("registered", settings, written.get("planned") or plan(), evidence, [])
    write_json(config.layout.gates("registered"), gates)
    write_review(config, "registered")
    return config, (config.layout.review("registered") / "index.html").read_text()


def test_a_page_shows_run_verdict_people_and_rules(tmp_path: Path) -> None:
    config, page = reviewed(tmp_path)
    for expected in (
        "tiny/2026q1/registered",
        policy_digest(config),
        "This tier passes its gates.",
        "DEMO",
        "143",
        "age and sex, with errors",
        "0.93",
        "people.birth_date",
        "levels 10 → 20, top 80",
        "Another one was not.",
        "../datadocs/index.html",
        "level 1 (20)",
    ):
        assert expected in page, expected
    assert page.count("<svg") == 3


def test_a_lowered_limit_leaves_the_evidence_and_puts_the_mend_first(tmp_path: Path) -> None:
    _, page = reviewed(tmp_path, scores=[score(upper=0.0999), SCORES[1]])
    assert "This tier does not pass its gates." in page
    mend = page.index("coarsen a field")
    assert mend < page.index('id="products"') < page.index('id="attacks"')
    assert "upper bound 0.0999, limit 0.09, n=143" in page
    assert "Errors as in two registries." in page, "the evidence stays"


def test_an_attack_that_proves_nothing_is_marked(tmp_path: Path) -> None:
    blunt = score(evidence={"raw": 0.01, "works": False})
    _, page = reviewed(tmp_path, scores=[blunt, SCORES[1]])
    assert "✕ not evidence" in page


def test_text_from_files_is_never_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    planned = plan()
    planned["products"]["group_means"] |= {"status": "off", "reason": hostile}
    _, page = reviewed(
        tmp_path, scores=[score(attacker_knows=hostile, note=hostile)], planned=planned
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_same_release_gives_the_same_page(tmp_path: Path) -> None:
    assert reviewed(tmp_path / "a")[1] == reviewed(tmp_path / "b")[1]


def test_the_page_is_well_formed_for_readers_of_every_kind(tmp_path: Path) -> None:
    _, page = reviewed(tmp_path)
    assert '<html lang="en">' in page
    assert page.count("<h1") == 1
    assert page.count("<table>") == page.count("<caption")
    assert "<th>" not in page and "<th " in page, "every header cell has a scope"
    assert all('scope="' in cell for cell in re.findall(r"<th\b[^>]*>", page))
    assert page.count("<svg") == page.count('role="img"') == page.count("</title>") - 1
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids)), "identifiers are unique, across pictures too"
    links = re.findall(r'href="#([^"]*)"', page)
    assert set(links) <= set(ids)


def test_without_verdicts_there_is_no_page(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    write_tier(config)
    with pytest.raises(SluiceError, match=r"gates\.json"):
        write_review(config, "registered")
    assert not config.layout.review("registered").exists()


@pytest.mark.usefixtures("chromium")
def test_the_page_opens_without_errors_or_requests(tmp_path: Path) -> None:
    from tests.system.browser import PageReport, inspect

    config, _ = reviewed(tmp_path)
    assert inspect(config.layout.review("registered") / "index.html") == PageReport()
