from __future__ import annotations

from pathlib import Path

from sluice.config import load_policy

_POLICY = """
policy: {name}
edition: "1"
owner: officer
reason: a test
extends: {below}
tiers:
  controlled:
    modalities:
      clinical:
        fields:
          people.note: null
          people.sex: {{need: another need}}
"""


def test_a_policy_that_extends_another_changes_what_is_written_and_removes_what_is_null(
    tmp_path: Path,
) -> None:
    shipped = Path(__file__).parents[2] / "config"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/default.yaml").write_text((shipped / "policies/default.yaml").read_text())
    (tmp_path / "policies/own.yaml").write_text(_POLICY.format(name="own", below="default"))
    below = load_policy(tmp_path, "default").tiers["controlled"].modalities["clinical"].fields
    above = load_policy(tmp_path, "own").tiers["controlled"].modalities["clinical"].fields
    assert set(below) - set(above) == {"people.note"}
    assert above["people.sex"].need == "another need"
    assert above["people.sex"].rule == below["people.sex"].rule
