"""
Curate: raw files of one part into typed tables keyed by subject.

Needs   the part's list (an unchanged list stops a rerun here)
Writes  curate/<modality>/<part>/
Stops   a column that cannot be read, a participant who contradicts himself
"""


rule curate:
    input:
        list=lambda w: str(LAYOUT.part_list(w.modality, w.part)),
        resources=lambda w: ancient(resources("curate", w.modality)),
    output:
        index=index(LAYOUT.curate("{modality}", "{part}")),
        record=record(LAYOUT.curate("{modality}", "{part}")),
    params:
        code=lambda w: code("curate", w.modality),
        policy=lambda w: settings("curate", modality=w.modality),
        lock=LOCK,
    log:
        log("curate", "{modality}", "{part}"),
    shell:
        call("curate", "--modality {wildcards.modality:q} --part {wildcards.part:q}")
