"""
Public answers: measured once under differential privacy, sealed in the vault's ledger.

Needs   public's minimized tables, and the individual tiers' verdicts (spending comes after them)
Writes  public/data/products/all/
Stops   an exhausted budget, changed data under the same version, a failed individual tier
"""

localrules:
    dp_measure,


rule dp_measure:
    input:
        minimized=[index(LAYOUT.minimize("public", m, part)) for m, part in PIECES],
        plan=str(LAYOUT.plan("public")),
        gates=[str(LAYOUT.gates(tier)) for tier in INDIVIDUAL],
        resources=ancient(resources("dp_measure")),
    output:
        index=index(LAYOUT.data("public", "products", "all")),
        record=record(LAYOUT.data("public", "products", "all")),
    params:
        code=code("dp_measure"),
        policy=settings("dp_measure", "public") if "public" in CONFIG.tiers else "",
        lock=LOCK,
    log:
        log("dp_measure"),
    retries: 0  # a second try could draw twice
    shell:
        call("dp_measure")
