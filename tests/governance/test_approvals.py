from __future__ import annotations

from pathlib import Path

import pytest
from tests.release.world import ROLES, World

from sluice.errors import SluiceError
from sluice.files import read_json, write_json
from sluice.governance.approvals import approve, check, signed_by
from sluice.ledger.chain import Ledger
from sluice.release.verify import check_bag
from sluice.signing import is_signed, public_key, sign

TIER = "controlled"


@pytest.fixture
def sealed(world: World) -> World:
    world.build()
    world.seal()
    return world


def sign_all(world: World) -> None:
    for role in ROLES:
        approve(world.config, TIER, role, world.key(role))


def test_a_signature_holds_for_its_message_and_key_only(world: World) -> None:
    signature = sign(b"message", world.key("stranger"))
    key = public_key(world.key("stranger"))
    assert is_signed(b"message", signature, key)
    assert not is_signed(b"massage", signature, key)
    assert not is_signed(b"message", signature, public_key(world.key("builder")))
    assert not is_signed(b"message", "nonsense", key)


def test_two_roles_with_two_keys_are_enough(sealed: World) -> None:
    assert check(sealed.config, TIER) == [f"role {role} has not signed" for role in ROLES]
    sign_all(sealed)
    assert check(sealed.config, TIER) == []
    assert [s["role"] for s in signed_by(sealed.config, TIER)] == list(ROLES)
    assert all(s["fingerprint"].startswith("SHA256:") for s in signed_by(sealed.config, TIER))


def test_an_approval_is_in_the_ledger_once(sealed: World) -> None:
    sign_all(sealed)
    sign_all(sealed)
    with Ledger.open(sealed.layout.ledger) as ledger:
        rows = ledger.rows("approval")
        ledger.verify()
    assert [row.body["message"]["role"] for row in rows] == list(ROLES)
    message = rows[0].body["message"]
    seal = read_json(sealed.layout.seal(TIER))
    assert message["bundle_digest"] == seal["bundle_digest"]
    assert (message["gates"], message["policy"]) == (seal["gates"], seal["policy"])


def test_the_builder_may_not_sign(sealed: World) -> None:
    with pytest.raises(SluiceError, match="belongs to a builder"):
        approve(sealed.config, TIER, ROLES[0], sealed.key("builder"))


def test_a_builder_is_refused_even_when_listed_as_approver(sealed: World) -> None:
    file = sealed.config.site.approvers
    builder = sealed.key("builder.pub").read_text().split()[1]
    role = sealed.key(f"{ROLES[0]}.pub").read_text().split()[1]
    file.write_text(file.read_text().replace(role, builder))
    with pytest.raises(SluiceError, match="belongs to a builder"):
        approve(sealed.config, TIER, ROLES[0], sealed.key("builder"))


@pytest.mark.parametrize("key", ["stranger", ROLES[1]])
def test_a_key_may_sign_for_its_own_role_only(sealed: World, key: str) -> None:
    with pytest.raises(SluiceError, match="may not sign for this role"):
        approve(sealed.config, TIER, ROLES[0], sealed.key(key))
    assert not sealed.layout.approvals(TIER).exists()


def test_an_unknown_role_is_refused_with_those_that_exist(sealed: World) -> None:
    with pytest.raises(SluiceError, match=r"no such role.*data-manager, privacy-officer"):
        approve(sealed.config, TIER, "janitor", sealed.key("stranger"))


def test_one_key_with_two_roles_signs_for_one_only(sealed: World) -> None:
    file = sealed.config.site.approvers
    text = file.read_text().replace(f"roles: [{ROLES[0]}]", f"roles: [{', '.join(ROLES)}]")
    file.write_text(text)
    approve(sealed.config, TIER, ROLES[0], sealed.key(ROLES[0]))
    with pytest.raises(SluiceError, match="already signed for another role"):
        approve(sealed.config, TIER, ROLES[1], sealed.key(ROLES[0]))


def test_copying_a_signature_to_another_role_does_not_count(sealed: World) -> None:
    approve(sealed.config, TIER, ROLES[0], sealed.key(ROLES[0]))
    folder = sealed.layout.approvals(TIER)
    file = sealed.config.site.approvers
    file.write_text(
        file.read_text().replace(f"roles: [{ROLES[0]}]", f"roles: [{', '.join(ROLES)}]")
    )
    for ending in (".sig", ".json"):
        (folder / (ROLES[1] + ending)).write_bytes((folder / (ROLES[0] + ending)).read_bytes())
    assert check(sealed.config, TIER) == [
        f"role {ROLES[1]}: the signature is not over this candidate"
    ]


def test_a_forged_record_does_not_make_a_strangers_signature_count(sealed: World) -> None:
    sign_all(sealed)
    folder = sealed.layout.approvals(TIER)
    record = read_json(folder / f"{ROLES[0]}.json")
    record["key"] = public_key(sealed.key("stranger"))
    write_json(folder / f"{ROLES[0]}.json", record)
    assert any("may not sign" in problem for problem in check(sealed.config, TIER))


def test_a_key_taken_off_the_list_no_longer_counts(sealed: World) -> None:
    sign_all(sealed)
    file = sealed.config.site.approvers
    file.write_text(file.read_text().replace(f"roles: [{ROLES[0]}]", "roles: [retired]"))
    assert any("may not sign" in problem for problem in check(sealed.config, TIER))


@pytest.mark.parametrize("act", ["approve", "check"])
def test_an_altered_candidate_is_refused(sealed: World, act: str) -> None:
    sign_all(sealed)
    (sealed.candidate() / "README.md").write_text("other")
    with pytest.raises(SluiceError, match="altered after it was sealed"):
        if act == "check":
            check(sealed.config, TIER)
        else:
            sign_all(sealed)


def test_a_candidate_altered_with_its_manifests_is_refused_too(sealed: World) -> None:
    sign_all(sealed)
    (sealed.layout.data(TIER, "bulk", "all") / "group_means.parquet").unlink()
    rows = [row for row in sealed.rows if row["file"] != "data/bulk/group_means.parquet"]
    sealed.rows = [row | {"description": "another"} for row in rows]
    old = sealed.layout.seal(TIER).read_bytes()
    sealed.build()
    sealed.layout.seal(TIER).write_bytes(old)
    assert check_bag(sealed.candidate()) == []
    with pytest.raises(SluiceError, match="altered after it was sealed"):
        check(sealed.config, TIER)


def test_a_candidate_built_and_sealed_again_needs_new_signatures(sealed: World) -> None:
    sign_all(sealed)
    sealed.rows = [row | {"description": "another"} for row in sealed.rows]
    sealed.build()
    sealed.seal()
    assert check(sealed.config, TIER) == [
        f"role {role}: the signature is not over this candidate" for role in ROLES
    ]


def test_gates_judged_again_need_a_new_seal(sealed: World) -> None:
    gates = read_json(sealed.layout.gates(TIER))
    write_json(sealed.layout.gates(TIER), gates | {"edition": "2"})
    with pytest.raises(SluiceError, match="judged again"):
        sign_all(sealed)


def test_nothing_is_signed_without_a_seal(world: World) -> None:
    world.build()
    with pytest.raises(SluiceError, match="no sealed candidate"):
        sign_all(world)


def test_a_tier_that_asks_for_nobody_is_refused(sealed: World) -> None:
    file = sealed.config.site.approvers
    file.write_text(file.read_text().replace("controlled: [", "registered: ["))
    with pytest.raises(SluiceError, match="Nobody is named"):
        check(sealed.config, TIER)


@pytest.mark.parametrize("case", ["missing", "no key", "open to others"])
def test_an_unusable_key_file_is_one_sentence(sealed: World, tmp_path: Path, case: str) -> None:
    path = tmp_path / "key"
    if case == "no key":
        path.write_text("not a key")
    elif case == "open to others":
        path.write_bytes(sealed.key("stranger").read_bytes())
        path.chmod(0o644)
    with pytest.raises(SluiceError, match="key file"):
        approve(sealed.config, TIER, ROLES[0], path)
