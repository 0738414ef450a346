"""Read YAML so that nothing surprising gets in, and say plainly what is wrong."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sluice.errors import SluiceError

_AMBIGUOUS = re.compile(r"^(y|n|yes|no|on|off)$", re.IGNORECASE)
_OCTAL = re.compile(r"^[-+]?0[0-9_]+$")
_NO_NUMBER = re.compile(r"^[-+]?\.(inf|nan)$", re.IGNORECASE)
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{t}"
    for t in ["str", "int", "float", "bool", "null", "map", "seq", "timestamp"]
}
_LARGEST = 2_000_000


class Model(BaseModel):
    """A section of the configuration: unknown keys are refused, values never printed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping strictly.

    Duplicate keys, tags, anchors, unquoted ``yes/no/on/off`` and numbers with a leading zero are
    refused, because each of them silently means something else than it shows.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8") if size <= _LARGEST else ""
    except FileNotFoundError:
        raise SluiceError(
            "A configuration file is missing", where=path.name, mend=_siblings(path)
        ) from None
    except (UnicodeDecodeError, OSError):
        raise SluiceError(
            "A configuration file cannot be read as UTF-8 text",
            where=path.name,
            mend="save it as UTF-8",
        ) from None
    if size > _LARGEST:
        raise SluiceError("A configuration file is larger than 2 MB", where=path.name)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if not isinstance(root, MappingNode):
            raise SluiceError(
                "A configuration file must hold keys and values",
                where=path.name,
                mend="start it with `key: value`",
            )
        _check(root, path.name, "")
        return dict(yaml.constructor.construct_document(root))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SluiceError(
            "A configuration file is not valid YAML",
            where=f"{path.name}, line {line}",
            mend="check indentation, quotes and colons there",
        ) from None
    except (YAMLError, ValueError, RecursionError):
        raise SluiceError("A configuration file is not valid YAML", where=path.name) from None


def _siblings(path: Path) -> str:
    names = sorted(p.stem for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"there is: {', '.join(names)}" if names else "run `sluice init` to make one"


def _check(node: Node, name: str, key: str) -> None:
    where = f"{name}, line {node.start_mark.line + 1}" + (f", key `{key}`" if key else "")
    if node.anchor is not None:
        raise SluiceError("Anchors are not used here", where=where, mend="write the value out")
    if str(node.tag) not in _PLAIN_TAGS:
        raise SluiceError("A YAML tag is not allowed", where=where, mend="remove the `!` tag")
    if isinstance(node, MappingNode):
        seen: set[str] = set()
        for left, right in node.value:
            label = str(left.value)
            if label in seen:
                raise SluiceError(
                    "A key stands twice",
                    where=f"{name}, line {left.start_mark.line + 1}, key `{label}`",
                    mend="keep one of them",
                )
            seen.add(label)
            _check(left, name, key)
            _check(right, name, f"{key}.{label}" if key else label)
    elif isinstance(node, SequenceNode):
        for position, item in enumerate(node.value, 1):
            _check(item, name, f"{key}[{position}]")
    elif isinstance(node, ScalarNode) and node.style is None:
        if _AMBIGUOUS.match(node.value):
            raise SluiceError(
                "An unquoted yes, no, on or off means different things to different readers",
                where=where,
                mend="quote it, or write true or false",
            )
        if _OCTAL.match(node.value):
            raise SluiceError(
                "A number with a leading zero would lose it or be read as octal",
                where=where,
                mend="quote it",
            )
        if _NO_NUMBER.match(node.value):
            raise SluiceError(
                "Infinity and NaN are no settings: nothing is above or below them",
                where=where,
                mend="write a number, or leave the key out",
            )


def parse(model: type[M], content: dict[str, Any], name: str) -> M:
    """Validate ``content`` against ``model``; the first problem becomes one sentence."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        # A misspelled key is also a missing one: the former says more.
        first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    keys = [str(k) if not isinstance(k, int) else f"[{k + 1}]" for k in first["loc"]]
    key = ".".join(keys).replace(".[", "[") or "(top)"
    where = f"{name}, key `{key}`"
    if first["type"] == "extra_forbidden":
        allowed = _allowed(model, first["loc"][:-1])
        near = difflib.get_close_matches(keys[-1], allowed, 1)
        mend = f"did you mean `{near[0]}`?" if near else f"allowed: {', '.join(sorted(allowed))}"
        raise SluiceError("An unknown key", where=where, mend=mend.rstrip("?"))
    if first["type"] == "missing":
        raise SluiceError("A key is missing", where=where, mend="add it; see docs/config.md")
    expected = first["msg"].removeprefix("Value error, ").rstrip(".")
    raise SluiceError(
        f"A value is not what was expected: {expected}", where=where, mend="see docs/config.md"
    )


def _allowed(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the model at ``location`` knows, as far as it can be followed."""
    current: Any = model
    for step in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            by_key = {(f.alias or n): f.annotation for n, f in current.model_fields.items()}
            current = by_key.get(str(step))
        else:
            models = [a for a in _arguments(current) if isinstance(a, type)]
            models = [a for a in models if issubclass(a, BaseModel)]
            current = models[0] if models else None
    for candidate in (current, *_arguments(current)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return [f.alias or n for n, f in candidate.model_fields.items()]
    return []


def _arguments(annotation: Any) -> list[Any]:
    found: list[Any] = []
    for argument in getattr(annotation, "__args__", ()):
        found += [argument, *_arguments(argument)]
    return found
