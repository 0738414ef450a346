"""Building the demo through a real Slurm."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from ruamel.yaml import YAML
from tests.conftest import Slurm
from tests.pipeline.demo.home import ADDRESS, Home, edit_yaml

#: The plugin asks again only 10, 20, … seconds after a question that found nothing new; the jobs
#: here take fewer. This runs Snakemake with a steady interval, and nothing else changed.
_SNAKEMAKE = """
import sys
import snakemake_executor_plugin_slurm as plugin
from snakemake.cli import main
steady = property(lambda self: 0.5, lambda self, seconds: None)
plugin.Executor.next_seconds_between_status_checks = steady
sys.argv[0] = "snakemake"
main()
"""
#: What a production profile leaves to its site: this one is a small, quick machine.
_FAST = {
    "slurm-init-seconds-before-status-checks": 1,
    "seconds-between-status-checks": 1,
    "max-status-checks-per-second": 10,
    "latency-wait": 5,
    "default-resources": {"mem_mb": 1000, "runtime": 10},
}


def build_by_slurm(home: Home, slurm: Slurm) -> None:
    """Build the candidates through Slurm with the shipped profile, asked more often."""
    profile = _fast_profile(home)
    on_cluster = dataclasses.replace(home, surroundings={**home.surroundings, **_names(slurm)})
    home.take_listing()
    for target in ("intake", "candidates"):
        done = on_cluster.run(
            *(sys.executable, "-c", _SNAKEMAKE, target, "--workflow-profile", profile),
            *("--snakefile", home.checkout / "Snakefile", "--nolock"),
            *("--config", f"site={home.file}", f"release={ADDRESS}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr + home.log()


def _names(slurm: Slurm) -> dict[str, str]:
    """What in Slurm's environment is not in ours."""
    return {"SLURM_CONF": slurm.env["SLURM_CONF"]}


def _fast_profile(home: Home) -> Path:
    folder = home.path / "profile"
    folder.mkdir()
    file = folder / "config.yaml"
    file.write_bytes((home.checkout / "profiles/slurm/config.yaml").read_bytes())
    content = YAML(typ="safe").load(file)
    small = {f"set-resources/{rule}": {"mem_mb": 1000} for rule in content["set-resources"]}
    edit_yaml(file, _FAST)
    edit_yaml(file, small)
    return folder
