"""The linkage attack on real records, with errors in what the attacker knows, and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.linkage import record_linkage
from sluice.attacks.noise import NOISES
from sluice.config.policy import Limit, Product
from sluice.config.settings import Settings
from sluice.gates.evidence import Evidence
from sluice.gates.judge import verdicts
from sluice.scores import Score
from sluice.tables.hierarchies import ladder
from sluice.tables.recode import apply_node, search

pytestmark = pytest.mark.shared

LIMIT = 0.09
Ladders = dict[str, list[Callable[[pd.Series], pd.Series]]]


class Data(NamedTuple):
    """People, what is recoded of them, and the k that a table of so many can keep."""

    raw: pd.DataFrame
    ladders: Ladders
    k: int


def adult(shared_data: Path) -> Data:
    """A thousand of UCI Adult's people, their salary known too, with ARX's hierarchies."""
    folder = shared_data / "clinical/adult"
    raw = pd.read_csv(folder / "adult.csv", sep=";").iloc[:1000]
    quasi = [str(name) for name in raw if name != "salary-class"]
    ladders = {name: _file_ladder(folder / f"adult_hierarchy_{name}.csv") for name in quasi}
    return Data(raw.set_axis([f"S{n:04d}" for n in range(len(raw))]), ladders, 12)


def synthea(shared_data: Path) -> Data:
    """Synthea's 111 patients; an attacker knows the birth date, the release holds the age."""
    table = pd.read_csv(shared_data / "clinical/synthea/patients.csv", dtype=str).set_index("Id")
    born = pd.to_datetime(table["BIRTHDATE"])
    raw = table[["GENDER", "RACE", "MARITAL", "ZIP", "CITY"]].assign(born=born)
    ladders: Ladders = {
        "born": [_age, *(_coarser(width) for width in (20, 40)), _nothing],
        "GENDER": [_same, _nothing],
        "RACE": [_same, _nothing],
        "ZIP": ladder("zip3", {}),
    }
    return Data(raw, ladders, 12)


def _file_ladder(path: Path) -> list[Callable[[pd.Series], pd.Series]]:
    table = pd.read_csv(path, sep=";", header=None, dtype=str)
    return [_looked_up(dict(zip(table[0], table[n], strict=True))) for n in range(table.shape[1])]


def _looked_up(label: dict[str, str]) -> Callable[[pd.Series], pd.Series]:
    return lambda values: values.astype(str).map(lambda value: label.get(value, value))


def _same(values: pd.Series) -> pd.Series:
    return values


def _nothing(values: pd.Series) -> pd.Series:
    return pd.Series("*", index=values.index, dtype=object)


def _age(born: pd.Series) -> pd.Series:
    return ((pd.Timestamp("2024-01-01") - pd.to_datetime(born)).dt.days // 365.25).astype(float)


def _coarser(width: int) -> Callable[[pd.Series], pd.Series]:
    return lambda born: _age(born) // width * width


def attack(data: Data, node: dict[str, int], kept: np.ndarray, seed: int = 1) -> Score:
    """Release the kept people on a node under shuffled pseudonyms, and attack it."""
    released = apply_node(data.raw, node, data.ladders)[kept][[*data.ladders]]
    names = np.random.default_rng(9).permutation(len(released))
    truth = {subject: f"P{n:04d}" for subject, n in zip(released.index, names, strict=True)}
    released = released.set_axis([truth[s] for s in released.index]).sort_index()
    return record_linkage(
        data.raw, released, truth, lambda known: apply_node(known, node, data.ladders),
        [*data.ladders], seed, "record_linkage", "table",
    )  # fmt: skip


@pytest.fixture(scope="module", params=[adult, synthea], ids=lambda made: made.__name__)
def data(request: pytest.FixtureRequest, shared_data: Path) -> Data:
    made: Data = request.param(shared_data)
    return made


def verdict(score: Score) -> dict[str, Any]:
    """Judge a score by the limit of registered, as the pipeline does."""
    own: dict[str, Any] = {"reason": "x", "owner": "x"}
    product = Product(modality="clinical", title="x", requires=["record_linkage"], **own)
    limits = {"record_linkage": Limit(max=LIMIT, mend="x", **own)}
    settings = Settings(products={"table": product}, limits=limits)
    plan = {"products": {"table": {"status": "on", "reason": ""}}}
    result = verdicts("registered", settings, plan, [Evidence("scenario", "joint", score, "d")], [])
    (gate,) = [g for g in result["gates"] if g["gate"] == "record_linkage"]
    return gate


def test_half_of_the_people_are_found_in_raw_and_few_in_the_release(data: Data) -> None:
    found = search(data.raw, data.ladders, data.k, max_suppression=0.1)
    score = attack(data, found.node, ~found.suppressed)
    print(f"raw {score.evidence['raw']:.2f}, released at most {score.upper:.3f} of n {score.n}")
    assert score.n >= 0.9 * len(data.raw), "the release is not empty"
    assert score.evidence["raw"] >= 0.5 and score.evidence["works"]
    assert set(score.detail["by_noise"]) == set(NOISES)
    assert score.upper == max(score.detail["by_noise"].values()) <= LIMIT
    assert verdict(score)["verdict"] == "pass"


def test_a_recoding_for_classes_of_two_does_not_keep_to_the_limit(data: Data) -> None:
    found = search(data.raw, data.ladders, 2, max_suppression=0.1)
    score = attack(data, found.node, ~found.suppressed)
    assert score.upper > LIMIT
    assert verdict(score)["verdict"] == "dropped"


def test_raw_as_it_is_is_found_again(data: Data) -> None:
    everybody = np.ones(len(data.raw), dtype=bool)
    score = attack(data, dict.fromkeys(data.ladders, 0), everybody)
    assert score.lower > LIMIT and score.estimate > 0.3
    assert verdict(score)["verdict"] == "dropped"


def test_of_thirty_people_no_result_could_show_it(data: Data) -> None:
    """Nobody is found, and yet: 31 without a hit may be .092."""
    top = {name: len(levels) - 1 for name, levels in data.ladders.items()}
    score = attack(data, top, np.arange(len(data.raw)) < 31)
    assert score.detail["hits"] == 0 and score.evidence["works"]
    assert verdict(score)["verdict"] == "too_few"
    assert verdict(attack(data, top, np.arange(len(data.raw)) < 32))["verdict"] == "pass"
