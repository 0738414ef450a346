"""
De-identify: facts of every modality, one plan a tier that decides, one apply a part that does not.

Needs   minimized tables; for registered, controlled's released data; the vault's record of who was
        in which class of published releases
Writes  <tier>/facts/, <tier>/plan.json, <tier>/plan_people.parquet, <tier>/data/<modality>/<part>/
Stops   no recoding within the permitted suppression, a frozen level that is too fine
"""


rule deidentify_facts:
    input:
        minimized=lambda w: parts_of(LAYOUT.minimize, w.modality, w.tier),
        resources=lambda w: ancient(resources("deidentify_facts", w.modality)),
    output:
        facts=str(LAYOUT.facts("{tier}", "{modality}")),
        record=record(LAYOUT.facts("{tier}", "{modality}")),
    params:
        code=lambda w: code("deidentify_facts", w.modality),
        policy=lambda w: settings("facts", w.tier, w.modality),
        lock=LOCK,
    log:
        log("deidentify_facts", "{tier}", "{modality}"),
    shell:
        call("deidentify_facts", "--tier {wildcards.tier:q} --modality {wildcards.modality:q}")


rule deidentify_plan:
    input:
        facts=lambda w: [str(LAYOUT.facts(w.tier, m)) for m in CONFIG.modalities],
        minimized=lambda w: [index(LAYOUT.minimize(w.tier, m, part)) for m, part in PIECES],
        resources=ancient(resources("deidentify_plan")),
    output:
        plan=str(LAYOUT.plan("{tier}")),
        people=str(LAYOUT.plan_people("{tier}")),
        record=record(LAYOUT.plan("{tier}")),
    params:
        code=code("deidentify_plan"),
        policy=lambda w: settings("plan", w.tier),
        lineage=lambda w: lineage_digest(LAYOUT, w.tier),  # what was published meanwhile
        lock=LOCK,
    log:
        log("deidentify_plan", "{tier}"),
    shell:
        call("deidentify_plan", "--tier {wildcards.tier:q}")


rule deidentify_apply:
    input:
        minimized=lambda w: index(LAYOUT.minimize(w.tier, w.modality, w.part)),
        upstream=lambda w: upstream(w.tier, w.modality, w.part),
        plan=str(LAYOUT.plan("{tier}")),
        people=str(LAYOUT.plan_people("{tier}")),
        resources=lambda w: ancient(resources("deidentify_apply", w.modality)),
    output:
        index=index(LAYOUT.data("{tier}", "{modality}", "{part}")),
        record=record(LAYOUT.data("{tier}", "{modality}", "{part}")),
    params:
        code=lambda w: code("deidentify_apply", w.modality),
        policy=lambda w: settings("apply", w.tier, w.modality),
        lock=LOCK,
    log:
        log("deidentify_apply", "{tier}", "{modality}", "{part}"),
    wildcard_constraints:
        tier="|".join(INDIVIDUAL) or "none",
        modality="|".join(CONFIG.modalities),
    shell:
        call(
            "deidentify_apply",
            "--tier {wildcards.tier:q} --modality {wildcards.modality:q} --part {wildcards.part:q}",
        )
