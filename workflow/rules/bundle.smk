"""
Bundle: the candidate as it would leave, scanned once more from disk, and its seal.

Needs   verdicts, released data, scores (for the recipient's report)
Writes  <tier>/candidate/, <tier>/candidate.json, <tier>/seal.json
Stops   a failed gate (naming the mend), any identifier found in the finished candidate
"""


rule bundle:
    input:
        gates=lambda w: str(LAYOUT.gates(w.tier)),
        data=lambda w: released(w.tier),
        scores=lambda w: [index(LAYOUT.score(w.tier, m)) for m in scored(w.tier)],
        utility=lambda w: [index(LAYOUT.utility(w.tier, m)) for m in scored(w.tier)],
        plan=lambda w: str(LAYOUT.plan(w.tier)),
        workflow=str(shipped() / "Snakefile"),  # a copy travels in the bundle
        resources=ancient(resources("bundle")),
    output:
        candidate=str(LAYOUT.candidate_digest("{tier}")),
        seal=str(LAYOUT.seal("{tier}")),
    params:
        code=code("bundle"),
        policy=lambda w: settings("bundle", w.tier),
        lock=LOCK,
    log:
        log("bundle", "{tier}"),
    shell:
        call("bundle", "--tier {wildcards.tier:q}")
