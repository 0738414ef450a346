"""
Intake: what raw data there is, and who permits what.

Needs   the listing's digest (`sluice run` writes it); raw files are read, never named here
Writes  intake/<modality>/ with inventory and one list a part; intake/consent/
Stops   an unclassified field, a consent code without a meaning, a missing source
"""

for MODALITY in CONFIG.modalities:

    rule:
        name:
            f"intake_{MODALITY}"
        input:
            listing=str(LAYOUT.listing),
            resources=ancient(resources("intake", MODALITY)),
        output:
            index=index(LAYOUT.intake(MODALITY)),
            record=record(LAYOUT.intake(MODALITY)),
            lists=[str(LAYOUT.part_list(MODALITY, p)) for p in CONFIG.parts(MODALITY)],
        params:
            modality=MODALITY,  # the shell line is read when the loop is over
            code=code("intake", MODALITY),
            policy=settings("intake", modality=MODALITY),
            lock=LOCK,
        log:
            log("intake", MODALITY),
        shell:
            call("intake", "--modality {params.modality:q}")


rule intake_consent:
    input:
        listing=str(LAYOUT.listing),
    output:
        index=index(LAYOUT.consent),
        record=record(LAYOUT.consent),
    params:
        code=code("intake"),
        policy=settings("consent"),
        lock=LOCK,
    log:
        log("intake", "consent"),
    shell:
        call("intake", "--modality consent")
