"""
Minimize: only the fields that the policy names, only of people who consented to the tier.

Needs   curated tables, or for registered controlled's released data; consent at the cut date
Writes  <tier>/minimize/<modality>/<part>/
Stops   a policy field that the cohort does not have
"""


rule minimize:
    input:
        upstream=lambda w: upstream(w.tier, w.modality, w.part),
        consent=index(LAYOUT.consent),
        resources=lambda w: ancient(resources("minimize", w.modality)),
    output:
        index=index(LAYOUT.minimize("{tier}", "{modality}", "{part}")),
        record=record(LAYOUT.minimize("{tier}", "{modality}", "{part}")),
    params:
        code=lambda w: code("minimize", w.modality),
        policy=lambda w: settings("minimize", w.tier, w.modality),
        lock=LOCK,
    log:
        log("minimize", "{tier}", "{modality}", "{part}"),
    shell:
        call(
            "minimize",
            "--tier {wildcards.tier:q} --modality {wildcards.modality:q} --part {wildcards.part:q}",
        )
