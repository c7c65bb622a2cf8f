PICTURES = [run.visual for run in PLAN.visual_runs(layouts.default_tables())]


rule collect:
    input:
        records=PLAN.records(layouts.default_tables()),
        ablations=PLAN.ablation_records(),
        trainings=PLAN.train_records(layouts.default_tables()),
        pictures=PICTURES,
    output:
        results=report(
            "results/{scale}/results.csv",
            caption="captions/results.rst",
            category="Results",
            labels={"file": "results.csv", "scale": "{scale}"},
        ),
    log:
        "logs/{scale}/collect.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m reports.collect {output.results} {input.records}"
        " {input.ablations} {input.trainings} {input.pictures}"
        " 2>&1 | tee {log}"


rule table:
    input:
        records=records_of_table,
    output:
        html=report(
            "reports/{table}.html",
            caption="captions/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        csv="reports/{table}.csv",
        markdown="reports/{table}.md",
        latex="reports/{table}.tex",
    log:
        "logs/reports/{table}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m reports.tables.tables {wildcards.table} {input.records}"
        " --scale {params.scale} --out reports 2>&1 | tee {log}"


rule figure04:
    input:
        record=PLAN.figure_run.activation,
    output:
        html=report(
            "reports/figure04.html",
            caption="captions/figure04.rst",
            category="Figures",
            labels={"figure": "Figure 4"},
        ),
    log:
        "logs/reports/figure04.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m reports.figures.figure04 {input.record} --out reports 2>&1 | tee {log}"


rule comparisons:
    input:
        records=PICTURES,
        results=f"results/{SCALE}/results.csv",
    output:
        html=report(
            "reports/visual.html",
            caption="captions/visual.rst",
            category="Figures",
            labels={"figure": "Before and after"},
        ),
    log:
        "logs/reports/visual.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m reports.figures.pictures {input.records} --scale {params.scale}"
        " --results {input.results} --out reports 2>&1 | tee {log}"


rule claims:
    input:
        results=f"results/{SCALE}/results.csv",
    output:
        html=report(
            "reports/claims.html",
            caption="captions/claims.rst",
            category="Claims",
            labels={"page": "What of the paper holds"},
        ),
        csv="reports/claims.csv",
    log:
        "logs/reports/claims.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m reports.claims.claims --scale {params.scale} --results {input.results}"
        " --out reports 2>&1 | tee {log}"


rule ablations:
    input:
        results=f"results/{SCALE}/results.csv",
    output:
        html=report(
            "reports/ablations.html",
            caption="captions/ablations.rst",
            category="Figures",
            labels={"figure": "Ablations, figures 3, 5 and 10"},
        ),
        csv="reports/ablations.csv",
        figure03="reports/figure03.csv",
        figure05="reports/figure05.csv",
        figure10="reports/figure10.csv",
    log:
        "logs/reports/ablations.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m reports.ablations --scale {params.scale} --results {input.results}"
        " --out reports 2>&1 | tee {log}"


# results of other machines that are committed with the project
rule committed:
    input:
        accepted="reports/accepted/{reference}.csv.gz",
    output:
        index="reports/{reference}/index.html",
        claims="reports/{reference}/claims.html",
        ablations="reports/{reference}/ablations.html",
        tables=[
            f"reports/{{reference}}/{table}.html" for table in layouts.default_tables()
        ],
    log:
        "logs/reports/{reference}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m reports.accepted_pages {input.accepted} --out reports/{wildcards.reference}"
        " 2>&1 | tee {log}"


rule index:
    input:
        committed=expand(
            "reports/{reference}/index.html",
            reference=glob_wildcards(
                "reports/accepted/{reference,[a-z]+-.+}.csv.gz"
            ).reference,
        ),
        ablations="reports/ablations.html",
        claims="reports/claims.html",
        figure="reports/figure04.html",
        comparisons="reports/visual.html",
        activation=PLAN.figure_run.activation,
        pictures=PICTURES,
        results=f"results/{SCALE}/results.csv",
        tables=expand("reports/{table}.html", table=layouts.default_tables()),
    output:
        html=report(
            "reports/index.html",
            caption="captions/index.rst",
            category="Index",
            labels={"page": "Coverage, what is missing, cost"},
        ),
    log:
        "logs/reports/index.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m reports.index --scale {params.scale} --results {input.results}"
        " --visual {input.pictures} --activation {input.activation}"
        " --out {output.html} 2>&1 | tee {log}"


rule tables:
    input:
        expand("reports/{table}.html", table=layouts.default_tables()),


# its reports are logs, because what a failed job put out is deleted; where nothing is accepted it
# says so before anything is run
rule gate:
    input:
        results=branch(
            exists(f"reports/accepted/{SCALE}.csv"),
            then=f"results/{SCALE}/results.csv",
        ),
    log:
        table=f"results/{SCALE}/gate.txt",
        junit=f"results/{SCALE}/gate.xml",
        markdown=f"results/{SCALE}/gate.md",
    conda:
        "../environment.yml"
    params:
        scale=SCALE,
    shell:
        "python -m reports.gate.gate check --reference {params.scale}"
        " --candidate results/{params.scale}/results.csv"
        " --junit {log.junit} --markdown {log.markdown} 2>&1 | tee {log.table}"
