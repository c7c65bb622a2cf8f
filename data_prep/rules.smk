rule download:
    input:
        plan.to_download(SCALE, WITHOUT, SYSTEMS),


# no code hash: the files are held against their SHA-256, whatever code fetched them
rule download_dataset:
    output:
        listing="data/raw/{dataset}/files.json",
    log:
        "logs/download/{dataset}.log",
    conda:
        "../environment.yml"
    shell:
        "python -m data_prep download {wildcards.dataset} 2>&1 | tee {log}"


rule prepare_set:
    input:
        raw=raw_photographs,
    output:
        index="data/sets/{dataset}/index.json",
    log:
        "logs/prepare/{dataset}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("prepare"),
        definition=set_definition,
    shell:
        "python -m data_prep prepare {wildcards.dataset} $(dirname {output.index}) 2>&1 | tee {log}"


rule degrade_set:
    input:
        clean="data/sets/{dataset}/index.json",
    output:
        index="data/degraded/{family}/{dataset}/{level}/index.json",
    log:
        "logs/degrade/{family}-{dataset}-{level}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("degrade"),
    shell:
        "python -m data_prep degrade {wildcards.family} {wildcards.level}"
        " $(dirname {input.clean}) $(dirname {output.index}) 2>&1 | tee {log}"
