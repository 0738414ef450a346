"""ro-crate-metadata.json: RO-Crate 1.1 with the provenance of the run.

Follows Workflow RO-Crate 1.0 and the Process, Workflow and Provenance Run Crate profiles 0.5.
Actions carry no times, agents or inputs: those would tell of a host or of raw files.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from sluice.config import Config
from sluice.files import sha256_file
from sluice.release.policy import tier_policy

WORKFLOW = "workflow/Snakefile"
#: Stage to what it does, in the order of the flow.
STAGES = {
    "intake": "lists raw files and takes consent as of the cut date",
    "consent": "takes consent as of the cut date",
    "curate": "turns raw files into typed tables",
    "minimize": "keeps only the fields that the policy names",
    "facts": "lists what an attacker may know",
    "plan": "decides recoding, suppression and groups for the whole tier",
    "apply": "writes the released files anew from values",
    "dp_measure": "answers the public questions with differential privacy",
    "score": "runs attacks and measures utility",
    "validate": "judges the gates",
    "bundle": "assembles and scans this bundle",
}
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_MEDIA = {
    ".parquet": "application/vnd.apache.parquet",
    ".h5ad": "application/x-hdf5",
    ".dcm": "application/dicom",
    ".md": "text/markdown",
}


def crate(
    config: Config, tier: str, bundle: Path, view: dict[str, Any], versions: dict[str, set[str]]
) -> dict[str, Any]:
    """Return the JSON-LD of a bundle whose other files are complete.

    Parameters
    ----------
    view
        :func:`sluice.release.transformations.released_view`.
    versions
        Package to the versions that the records name.
    """
    made = ROCrate(version="1.1")
    files = sorted(p for p in bundle.rglob("*") if p.is_file())
    for path in files:
        name = path.relative_to(bundle).as_posix()
        made.add_file(None, name, properties=_file(path, name))
    _describe_root(made, config, tier, view["release"])
    actions = _add_run(made, view, [p.relative_to(bundle).as_posix() for p in files], versions)
    made.root_dataset["mentions"] = [_ref(action) for action in actions]
    generated: dict[str, Any] = made.metadata.generate()
    for entity in generated["@graph"]:
        if entity["@id"] == "ro-crate-metadata.json":
            profile = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
            entity["conformsTo"] = [_ref("https://w3id.org/ro/crate/1.1"), _ref(profile)]
    generated["@context"] = [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    generated["@graph"].sort(key=lambda entity: entity["@id"])
    return generated


def _ref(identifier: str) -> dict[str, str]:
    return {"@id": identifier}


def _refs(identifiers: list[str]) -> list[dict[str, str]]:
    return [_ref(identifier) for identifier in identifiers]


def _file(path: Path, name: str) -> dict[str, Any]:
    media = _MEDIA.get(path.suffix) or mimetypes.types_map.get(path.suffix, "text/plain")
    properties: dict[str, Any] = {
        "name": name,
        "encodingFormat": media,
        "sha256": sha256_file(path),
    }
    if name == WORKFLOW:
        properties["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
    return properties


def _describe_root(made: ROCrate, config: Config, tier: str, identifier: str) -> None:
    settings = config.settings("bundle", tier)
    root, release = made.root_dataset, config.release
    root["identifier"] = identifier
    root["name"] = f"{release.title} ({tier})"
    root["description"] = settings.description or f"{settings.title}, tier {tier}"
    root["datePublished"] = release.published.isoformat()
    root["version"] = release.version
    root["license"] = _ref("TERMS.md")
    root["conditionsOfAccess"] = tier_policy(config, tier).access
    root["publisher"] = _ref("#publisher")
    root["mainEntity"] = _ref(WORKFLOW)
    root["conformsTo"] = _refs(sorted(_PROFILES))
    _add(made, "#publisher", "Organization", name=config.site.facility)
    for profile, (name, version) in _PROFILES.items():
        _add(made, profile, "CreativeWork", name=name, version=version)


def _add(made: ROCrate, identifier: str, kind: str, /, **properties: Any) -> str:
    made.add(ContextEntity(made, identifier, {"@type": kind, **properties}))
    return identifier


def _add_run(
    made: ROCrate, view: dict[str, Any], files: list[str], versions: dict[str, set[str]]
) -> list[str]:
    """Add software, steps and actions; return the ids of the actions that the root mentions."""
    present = {step["stage"] for step in view["steps"]} | {"bundle"}
    stages = [stage for stage in STAGES if stage in present]
    payload = [file for file in files if file.startswith("data/")]
    rest = [file for file in files if not file.startswith("data/") and file != WORKFLOW]
    results = {"apply": payload, "dp_measure": payload, "bundle": rest}
    steps, controls, runs = [], [], []
    for position, stage in enumerate(stages, 1):
        tool = _add(
            made,
            f"#tool-{stage}",
            "SoftwareApplication",
            name=f"sluice {stage}",
            description=f"Stage {stage}: {STAGES[stage]}",
            identifier=sorted({s["code"] for s in view["steps"] if s["stage"] == stage}),
        )
        place = {"position": str(position), "workExample": _ref(tool)}
        steps.append(_add(made, f"#step-{stage}", "HowToStep", **place))
        run = _add(
            made,
            f"#run-{stage}",
            "CreateAction",
            name=f"Run of stage {stage}",
            instrument=_ref(tool),
            result=_refs(results.get(stage, [])),
        )
        runs.append(run)
        controls.append(
            _add(
                made,
                f"#control-{stage}",
                "ControlAction",
                name=f"Start of stage {stage}",
                instrument=_ref(steps[-1]),
                object=_ref(run),
            )
        )
    _describe_workflow(made, view, stages, steps, versions)
    whole = _add(
        made,
        "#run",
        "CreateAction",
        name=f"Build of {view['release']}",
        instrument=_ref(WORKFLOW),
        result=_refs(payload + rest),
    )
    engine = _add(
        made,
        "#engine-run",
        "OrganizeAction",
        name="Run of Snakemake",
        instrument=_ref("#snakemake"),
        result=_ref(whole),
        object=_refs(controls),
    )
    return [whole, engine, *runs]


def _describe_workflow(
    made: ROCrate,
    view: dict[str, Any],
    stages: list[str],
    steps: list[str],
    versions: dict[str, set[str]],
) -> None:
    software = [
        _add(made, f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, found in sorted(versions.items())
        for version in sorted(found)
    ]
    _add(made, "#snakemake", "SoftwareApplication", name="Snakemake")
    _add(
        made,
        _SNAKEMAKE,
        "ComputerLanguage",
        name="Snakemake",
        identifier=_ref("https://doi.org/10.1093/bioinformatics/bts480"),
        url=_ref("https://snakemake.github.io"),
    )
    workflow = made.get(WORKFLOW)
    workflow["name"] = "Sluice"
    workflow["programmingLanguage"] = _ref(_SNAKEMAKE)
    workflow["version"] = view["digests"]["code"]
    workflow["hasPart"] = _refs([f"#tool-{stage}" for stage in stages])
    workflow["step"] = _refs(steps)
    workflow["softwareRequirements"] = _refs(software)
