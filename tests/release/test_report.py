"""The report tells recipients of risk and utility, and gives no exact count away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.gates.small import SCORES, UTILITIES, plan, score, small_config, write_tier

from sluice.config import Config
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.gates.evidence import read_evidence
from sluice.gates.judge import verdicts
from sluice.release.pages import number, rounded, size
from sluice.release.plots import Bar, bounds_plot, histogram
from sluice.release.report import write_report

ON = {"modality": "clinical", "title": "", "status": "on", "reason": ""}


def reported(root: Path, **written: Any) -> str:
    """Return the text of the registered tier's report."""
    config = small_config(root)
    write_tier(config, **written)
    evidence = read_evidence(config.layout, "registered", config.modalities)
    settings = config.settings("validate", "registered")
    gates = verdicts("registered", settings, written.get("planned") or plan(), evidence, [])
    write_json(config.layout.gates("registered"), gates)
    write_report(config, "registered", root / "report.html")
    return (root / "report.html").read_text()


def public_report(root: Path, **changes: Any) -> str:
    """Return the text of the public tier's report; ``changes`` are things it may not depend on."""
    config = small_config(root)
    folder = config.layout.data("public", "products", "all")
    answers = pd.DataFrame(
        {
            "sex": ["female", "male"],
            "value": changes.get("values", [70, 75]),
            "mechanism": "laplace",
            "epsilon": 0.2,
            "delta": 0.0,
            "scale": 10.0,
        }
    )
    write_table(folder / "counts.parquet", answers)
    write_table(folder / "synthetic.parquet", pd.DataFrame({"sex": ["female"]}))
    _judge_public(config, changes)
    write_report(config, "public", root / "report.html")
    return (root / "report.html").read_text()


def _judge_public(config: Config, changes: dict[str, Any]) -> None:
    people = {"candidates": 991, "kept": 977, "suppressed": 14, "classes": 83, "smallest": 3}
    write_json(
        config.layout.plan("public"),
        {"products": {"counts": ON, "synthetic": ON}, "modalities": {}, "people": people},
    )
    error = score("error", "counts", estimate=changes.get("measured", 0.7331), limit_key=None)
    write_json(config.layout.utility("public", "clinical") / "error.counts.json", error.to_json())
    settings = config.settings("validate", "public")
    evidence = read_evidence(config.layout, "public", config.modalities)
    planned = {"products": {"counts": ON, "synthetic": ON}}
    write_json(config.layout.gates("public"), verdicts("public", settings, planned, evidence, []))


def text_of(page: str) -> str:
    """Return what a reader sees of a page: no stylesheet, no picture, no markup."""
    page = re.sub(r"<(style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", page)


def test_a_report_holds_risk_utility_and_the_three_sentences(tmp_path: Path) -> None:
    page = reported(tmp_path)
    for expected in ("An attacker was tested.", "Another one was not.", "This is evidence only."):
        assert expected in page
    assert page.count("<svg") == 2
    for expected in ("tiny/2026q1/registered", "age and sex, with errors", "0.09", "0.07", "DEMO"):
        assert expected in text_of(page), expected


def test_counts_are_rounded_and_nothing_exact_is_left(tmp_path: Path) -> None:
    exact = [number(143), "147", "0.0614", "0.021", "0.7314", "0.93", "Errors as in two"]
    page = text_of(reported(tmp_path))
    assert "about 140" in page
    assert not [value for value in exact if value in page]
    assert not re.search(r"(?<![\d.])143(?!\d)", page)


def test_bounds_are_rounded_to_the_unfavourable_side(tmp_path: Path) -> None:
    utilities = [score("kept", estimate=0.8, lower=0.7399, upper=0.9, evidence={}, detail={})]
    page = text_of(reported(tmp_path, scores=[score(upper=0.0801), SCORES[1]], utilities=utilities))
    assert "0.09" in page and "0.0801" not in page
    assert "0.73" in page and "0.74" not in page


def test_a_dropped_product_is_named_without_its_measured_reason(tmp_path: Path) -> None:
    bad = score("membership", "group_means", upper=0.8123, n=17, detail={})
    page = text_of(reported(tmp_path, scores=[SCORES[0], bad]))
    assert "Set means" in page
    assert "did not meet a requirement" in page
    assert "0.81" not in page and "17" not in page.replace("2026", "")


def test_a_reason_that_the_plan_measured_stays_inside(tmp_path: Path) -> None:
    planned = plan()
    planned["products"]["group_means"] |= {"status": "off", "reason": "only 19 donors"}
    page = reported(tmp_path, planned=planned)
    assert "Set means" in page
    assert "19 donors" not in page


def test_the_public_report_is_the_same_whatever_was_measured(tmp_path: Path) -> None:
    first = public_report(tmp_path / "a")
    second = public_report(tmp_path / "b", values=[5, 990], measured=0.1)
    assert first == second


def test_the_public_report_gives_mechanism_cost_and_noise(tmp_path: Path) -> None:
    page = text_of(public_report(tmp_path))
    for expected in ("laplace", "0.2", "14.1", "Drawn from the answers of", "0.75", "2.5e-07"):
        assert expected in page, expected
    for measured in ("977", "991", "0.733", "143"):
        assert measured not in page
    assert "Differential privacy for one participant." in page


def test_the_same_release_gives_the_same_report(tmp_path: Path) -> None:
    assert reported(tmp_path / "a") == reported(tmp_path / "b")


def test_a_facility_name_is_text(tmp_path: Path) -> None:
    page = reported(tmp_path)
    assert "Small Facility &lt;b&gt;" in page


def test_plots_are_stable_distinct_and_described() -> None:
    bars = [Bar("a <b>", 0.1, 0.2, limit=0.09, ok=False), Bar("c", 0.5, 0.6, chance=0.5)]
    one = bounds_plot(bars, name="one", title="Risk & more", axis="risk")
    assert one == bounds_plot(bars, name="one", title="Risk & more", axis="risk")
    assert "<title>Risk &amp; more</title>" in one
    assert "a &lt;b&gt;" in one
    other = bounds_plot(bars, name="two", title="x", axis="risk")
    ids = [set(re.findall(r' id="([^"]+)"', str(plot))) for plot in (one, other)]
    assert ids[0] and not ids[0] & ids[1], "two pictures on a page share no identifier"
    assert "#0" not in re.sub(r'(?:xlink:href|url\()"?\(?#', "", str(one)), "theme colours only"
    assert "k = 5" in histogram([5, 5, 9], 5, name="h", title="t")


def test_a_users_matplotlibrc_does_not_reach_a_plot() -> None:
    import matplotlib as mpl

    bars = [Bar("a", 0.1, 0.2)]
    plain = bounds_plot(bars, name="n", title="t", axis="x")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert bounds_plot(bars, name="n", title="t", axis="x") == plain


@pytest.mark.parametrize(
    ("count", "step", "shown"),
    [(143, 10, "about 140"), (145, 10, "about 150"), (4, 10, "about 0"), (143, 1, "143")],
)
def test_counts_round_to_the_nearest_step(count: int, step: int, shown: str) -> None:
    assert rounded(count, step) == shown


def test_numbers_are_short_and_whole_ones_exact() -> None:
    assert [number(x) for x in (None, 0.0614, 1.0, 12345, float("nan"))] == [
        "–", "0.0614", "1", "12\u202f345", "–",
    ]  # fmt: skip
    assert [size(x) for x in (999, 12_345_678)] == ["999 bytes", "12.3 MB"]


@pytest.mark.usefixtures("chromium")
def test_both_reports_open_without_errors_or_requests(tmp_path: Path) -> None:
    from tests.system.browser import PageReport, inspect

    reported(tmp_path / "a", utilities=UTILITIES)
    public_report(tmp_path / "b")
    for folder in ("a", "b"):
        assert inspect(tmp_path / folder / "report.html") == PageReport()
