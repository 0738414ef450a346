"""
Sluice: raw cohorts to gated candidates. One release an invocation.

    snakemake intake      --config site=config/config.yaml release=COHORT/VERSION
    snakemake candidates  --config site=config/config.yaml release=COHORT/VERSION

`sluice run COHORT/VERSION` does both; approving and publishing are commands, not rules.
"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/intake.smk"
include: "workflow/rules/curate.smk"
include: "workflow/rules/minimize.smk"
include: "workflow/rules/deidentify.smk"
include: "workflow/rules/dp_measure.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/bundle.smk"


localrules:
    candidates,
    intake,


rule candidates:
    default_target: True
    input:
        [str(LAYOUT.seal(tier)) for tier in CONFIG.tiers],


rule intake:
    input:
        [index(LAYOUT.intake(m)) for m in CONFIG.modalities],
        index(LAYOUT.consent),
