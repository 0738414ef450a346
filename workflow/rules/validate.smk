"""
Validate: judge every product against the policy's limits; write the review page.

Needs   scores, utility, plan and released data
Writes  <tier>/gates.json, <tier>/review/, <tier>/datadocs/
Stops   nothing: a failed gate is a verdict, and `bundle` refuses on it
"""


rule validate:
    input:
        scores=lambda w: [index(LAYOUT.score(w.tier, m)) for m in scored(w.tier)],
        utility=lambda w: [index(LAYOUT.utility(w.tier, m)) for m in scored(w.tier)],
        data=lambda w: released(w.tier),
        plan=lambda w: str(LAYOUT.plan(w.tier)),
        resources=ancient(resources("validate")),
    output:
        gates=str(LAYOUT.gates("{tier}")),
        record=record(LAYOUT.gates("{tier}")),
        review=str(LAYOUT.review("{tier}") / "index.html"),
    params:
        code=code("validate"),
        policy=lambda w: settings("validate", w.tier),
        lock=LOCK,
    log:
        log("validate", "{tier}"),
    shell:
        call("validate", "--tier {wildcards.tier:q}")
