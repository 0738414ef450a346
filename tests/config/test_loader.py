"""YAML means what it shows, or is refused with file, place and hint; values are never printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from sluice.config.loader import Model, parse, read_yaml
from sluice.errors import SluiceError

SECRET = "CANARY-value"


class Inner(Model):
    width: int = Field(ge=1)
    labels: list[str] = Field(default_factory=list)


class Outer(Model):
    name: str
    country: str = ""
    share: float = 0.5
    inner: Inner = Inner(width=1)
    many: dict[str, Inner] = Field(default_factory=dict)


def load(folder: Path, text: str | bytes) -> dict[str, object]:
    path = folder / "site.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SluiceError) as told:
        load(folder, text)
    sentence = str(told.value)
    assert SECRET not in sentence and "site.yaml" in sentence and "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"name: {SECRET}\nname: b\n", "stands twice (site.yaml, line 2, key `name`)"),
        (f"a: {{x: {SECRET}, x: b}}\n", "stands twice"),
        ("country: NO\n", "different things to different readers (site.yaml, line 1"),
        ("NO: Norway\n", "different things"),
        ("list: [a, off]\n", "key `list[2]`"),
        ("postcode: 0123\n", "leading zero"),
        ("postcode: -012\n", "leading zero"),
        ("max: .nan\n", "no settings"),
        ("max: -.INF\n", "no settings"),
        (f"a: !!python/object/apply:os.system ['echo {SECRET}']\n", "YAML tag"),
        (f"a: !!python/name:os.system {SECRET}\n", "YAML tag"),
        ("a: !!binary aGVsbG8=\n", "YAML tag"),
        ("a: !local x\n", "YAML tag"),
        ("a: &x [1]\nb: *x\n", "Anchors"),
        ("a: &x [*x]\n", "Anchors"),
        ("a: {<<: {b: 1}}\n", "YAML tag"),
        (f"a: 1\n  b: {SECRET}\n", "not valid YAML (site.yaml, line 2)"),
        (f"a: [1, {SECRET}\n", "not valid YAML"),
        ("a: \"x\n", "not valid YAML"),
        ("\tb: 1\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: 2026-13-45\n", "not valid YAML"),
        (b"a: \x00\n", "not valid YAML"),
        (b"a: \xff\xfe\n", "UTF-8"),
        ("", "keys and values"),
        (f"- {SECRET}\n", "keys and values"),
        (f"{SECRET}\n", "keys and values"),
        ("[" * 1500, "not valid YAML"),
        ("a: '" + "x" * 2_000_000 + "'\n", "larger than 2 MB"),
    ],
)  # fmt: skip
def test_what_would_surprise_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_quoted_and_plain_spellings_mean_what_they_show(tmp_path: Path) -> None:
    text = (
        "a: 'NO'\nb: \"0123\"\nc: true\nd: 2026q1\ne: 1893-01-02\nf: 0.5\ng: 0\nnot: [yesterday]\n"
    )
    loaded = load(tmp_path, text)
    assert loaded["a"] == "NO" and loaded["b"] == "0123" and loaded["c"] is True
    assert loaded["d"] == "2026q1" and str(loaded["e"]) == "1893-01-02" and loaded["g"] == 0


@given(text=st.text(max_size=60) | st.binary(max_size=60))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    try:
        content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        assert isinstance(load(tmp_path_factory.getbasetemp(), content), dict)
    except SluiceError as error:
        assert "\n" not in str(error)


def test_a_missing_file_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("a: 1")
    with pytest.raises(SluiceError, match=r"missing.*there is: demo"):
        read_yaml(tmp_path / "dmeo.yaml")
    with pytest.raises(SluiceError, match="sluice init"):
        read_yaml(tmp_path / "nowhere" / "x.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "x", "contry": SECRET}, "unknown key (f, key `contry`); did you mean `country`"),
        ({"name": "x", "inner": {"widht": 1}}, "key `inner.widht`); did you mean `width`"),
        ({"name": "x", "many": {"a": {"widht": 1}}}, "did you mean `width`"),
        ({"name": "x", "zzz": 1}, "allowed: country, inner, many, name, share"),
        ({}, "A key is missing (f, key `name`)"),
        ({"name": ["x", SECRET]}, "key `name`"),
        ({"name": "x", "inner": {"width": 0}}, "greater than or equal to 1 (f, key `inner.width`)"),
        ({"name": "x", "inner": {"width": SECRET}}, "valid integer"),
        ({"name": "x", "inner": {"width": 1, "labels": ["a", 2]}}, "key `inner.labels[2]`"),
        ({"name": 2026}, "valid string"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_by_file_key_and_expectation(content: dict, said: str) -> None:
    with pytest.raises(SluiceError) as told:
        parse(Outer, content, "f")
    assert said in str(told.value) and SECRET not in str(told.value)
