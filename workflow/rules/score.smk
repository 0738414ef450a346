"""
Score: attack the candidate for real, and measure what it is still good for.

Needs   released data, facts and the plan; curated tables for each attack's positive control;
        the vault's record of who was in the groups and classes of published releases
Writes  <tier>/score/<modality|joint>/, <tier>/utility/<modality|joint>/
"""


rule score:
    input:
        data=lambda w: released(w.tier),
        plan=lambda w: str(LAYOUT.plan(w.tier)),
        facts=lambda w: [str(LAYOUT.facts(w.tier, m)) for m in CONFIG.modalities],
        curated=[index(LAYOUT.curate(m, part)) for m, part in PIECES],
        reference=lambda w: REFERENCE if w.modality in ("bulk", "singlecell") else [],
        resources=lambda w: ancient(resources("score", w.modality)),
    output:
        score=index(LAYOUT.score("{tier}", "{modality}")),
        score_record=record(LAYOUT.score("{tier}", "{modality}")),
        utility=index(LAYOUT.utility("{tier}", "{modality}")),
        utility_record=record(LAYOUT.utility("{tier}", "{modality}")),
    params:
        code=lambda w: code("score", w.modality),
        policy=lambda w: settings("score", w.tier, w.modality),
        lineage=lambda w: lineage_digest(LAYOUT, w.tier),  # what was published meanwhile
        lock=LOCK,
    log:
        log("score", "{tier}", "{modality}"),
    shell:
        call("score", "--tier {wildcards.tier:q} --modality {wildcards.modality:q}")
