from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.synthetic import (
    Rows,
    SyntheticRelease,
    class_gaussian,
    statistics,
    synthetic_membership,
)
from sluice.errors import SluiceError

RNG = np.random.default_rng(8)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    RNG.bit_generator.state = START


def people(count, features=150):
    mixing = np.random.default_rng(1).normal(size=(12, features))
    kind = np.array(["a", "b"] * count)[:count]
    values = RNG.normal(size=(count, 12)) @ mixing + RNG.normal(size=(count, features))
    return Rows(values + (kind == "b")[:, None] * mixing[0], kind)


def release(make, features=150):
    members, outsiders, reference = (people(40, features) for _ in range(3))
    return SyntheticRelease(make(members), members, outsiders, reference)


def naive(members):
    return class_gaussian(members, 100, 0)


def attack(made):
    return synthetic_membership(made, "synthetic_membership", "p")


def test_naive_rows_lie_in_the_span_of_their_members_and_nobody_elses_do():
    score = attack(release(naive))
    assert score.estimate == 1.0
    assert score.detail["auc"]["subspace"] >= 0.99
    assert score.detail["tpr_at_1_percent_fpr"]["estimate"] == 1.0


def test_rows_made_from_other_people_tell_nothing_of_members():
    score = attack(release(lambda _: naive(people(40))))
    assert score.evidence == {"raw": 1.0, "works": True}
    assert score.estimate < 0.7
    assert score.upper < 0.8


def test_noise_of_one_sd_on_each_number_is_a_weak_defence():
    def noisy(members):
        made = naive(members)
        return Rows(made.values + RNG.normal(size=made.values.shape), made.kind)

    assert attack(release(noisy)).upper > 0.95


def test_copies_with_noise_are_found_by_their_distance():
    def copies(members):
        noise = 0.5 * RNG.normal(size=members.values.shape)
        return Rows(members.values + noise, members.kind)

    areas = attack(release(copies)).detail["auc"]
    assert areas["distance, calibrated"] > 0.95


def test_a_generator_that_learned_the_density_too_well_is_found_by_its_ratio():
    def close(members):
        near = np.repeat(members.values, 5, axis=0)
        return Rows(near + 0.05 * RNG.normal(size=near.shape), np.repeat(members.kind, 5))

    areas = attack(release(close, features=4)).detail["auc"]
    assert areas["density ratio, 4 components"] > 0.8


def test_shapes_of_margins_do_not_hide_members_from_the_copula():
    made = release(naive)
    bent = SyntheticRelease(
        *(
            Rows(np.exp(rows.values / 3), rows.kind)
            for rows in (made.synthetic, made.members, made.outsiders, made.reference)
        )
    )
    areas = attack(bent).detail["auc"]
    assert max(area for name, area in areas.items() if name.startswith("copula")) > 0.9


def test_targets_are_compared_with_their_own_class():
    made = release(naive)
    scores = statistics(made)["subspace"]
    alone = made.members.kind == "a"
    own = Rows(made.members.values[alone], made.members.kind[alone])
    again = SyntheticRelease(made.synthetic, own, made.outsiders, made.reference)
    assert np.allclose(statistics(again)["subspace"][: alone.sum()], scores[:40][alone])


def test_parts_that_do_not_fit_stop():
    made = release(naive)
    narrow = Rows(made.reference.values[:, :5], made.reference.kind)
    lonely = Rows(made.reference.values, np.full(40, "a"))
    for reference in (narrow, lonely):
        with pytest.raises(SluiceError):
            attack(SyntheticRelease(made.synthetic, made.members, made.outsiders, reference))


def test_naive_rows_of_real_patients_give_them_away(shared_data):
    folder = shared_data / "expression/all128"
    values = pd.read_csv(folder / "exprs.csv.gz", index_col=0).T
    kind = pd.read_csv(folder / "pdata.csv", dtype=str)["BT"].str[0].to_numpy(dtype=str)
    order = RNG.permutation(len(values))
    table = values.to_numpy(dtype=float)[:, ::4]
    parts = [Rows(table[part], kind[part]) for part in np.array_split(order, 3)]
    score = attack(SyntheticRelease(class_gaussian(parts[0], 200, 3), *parts))
    assert score.detail["auc"]["subspace"] >= 0.99
    strangers = class_gaussian(Rows(parts[2].values[::2], parts[2].kind[::2]), 200, 3)
    others = Rows(parts[2].values[1::2], parts[2].kind[1::2])
    safe = attack(SyntheticRelease(strangers, parts[0], parts[1], others))
    assert safe.evidence["works"]
    assert safe.upper < 0.75
