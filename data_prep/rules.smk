rule download:
    input:
        PLAN.downloads(),


# no code hash: the files are held against their SHA-256, whatever code fetched them. Of a cluster the
# machine that submits has a network, its nodes may have none.
rule download_dataset:
    output:
        listing=paths.RAW,
    log:
        "logs/download/{dataset}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        options=job_options("mirror"),
    shell:
        "python -m semanir data download {wildcards.dataset} {params.options} 2>&1 | tee {log}"


rule prepare_set:
    input:
        raw=raw_photographs,
    output:
        index=paths.CLEAN,
    log:
        "logs/prepare/{dataset}.log",
    # short, and what takes long waits for it
    priority: 2
    conda:
        "../environment.yml"
    params:
        code=source_hash("prepare"),
        definition=set_definition,
    shell:
        "python -m semanir data prepare {wildcards.dataset} $(dirname {output.index}) 2>&1 | tee {log}"


rule degrade_set:
    input:
        clean=paths.CLEAN,
    output:
        index=paths.DEGRADED,
    log:
        "logs/degrade/{family}-{dataset}-{level}.log",
    priority: 2
    conda:
        "../environment.yml"
    params:
        code=source_hash("degrade"),
    shell:
        "python -m semanir data degrade {wildcards.family} {wildcards.level}"
        " $(dirname {input.clean}) $(dirname {output.index}) 2>&1 | tee {log}"
