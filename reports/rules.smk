VISUALS = [run.visual for run in PLAN.visual_runs(layouts.default_tables())]
TABLES = layouts.default_tables()
# beside the run itself, results that come with the project, and what else was run here
ACCEPTED = sorted(map(str, Path("reports/accepted").glob("*-*.csv.gz")))
OTHERS = other_results()
# of other machines: bench and growth
FAST = sorted(
    str(path)
    for kind in ("bench", "growth")
    for path in Path("reports/accepted/evidence").glob(f"*-{kind}.json")
)

# each with the caption of its name in the report of Snakemake
PAGES = {
    name: report(
        f"reports/{name}.html",
        caption=f"captions/{name}.rst",
        category=category,
        labels=labels,
    )
    for name, category, labels in (
        ("figure04", "Figures", {"figure": "Figure 4"}),
        ("visual", "Figures", {"figure": "Before and after"}),
        ("ablations", "Figures", {"figure": "Ablations, figures 3, 5 and 10"}),
        ("claims", "Claims", {"page": "What of the paper holds"}),
        ("speed", "Figures", {"page": "Speed, share of the peak, growth"}),
        ("index", "Index", {"page": "Coverage, what is missing, cost"}),
    )
}


rule collect:
    input:
        records=PLAN.records(TABLES),
        ablations=PLAN.ablation_records(),
        released=PLAN.released_records(),
        trainings=PLAN.train_records(TABLES),
        visuals=VISUALS,
    output:
        results=report(
            paths.RESULTS,
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
        "python -m semanir report results {output.results} {input.records}"
        " {input.ablations} {input.released} {input.trainings} {input.visuals}"
        " 2>&1 | tee {log}"


# inputs and released weights alone: the pages of every scale show them
rule systems:
    input:
        records=records_without_training,
    output:
        results=paths.SYSTEMS,
    log:
        "logs/{scale}/systems.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m semanir report results {output.results} {input.records} 2>&1 | tee {log}"


# --- tables ---


rule table:
    input:
        records=records_of_table,
        accepted=ACCEPTED,
    output:
        html=report(
            "reports/{table}.html",
            caption="captions/table.rst",
            category="Tables",
            labels=labels_of_table,
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
        others=OTHERS,
        scale=SCALE,
    shell:
        "python -m semanir report table {wildcards.table} {input.records}"
        " --scale {params.scale} --out reports 2>&1 | tee {log}"


# all of them in one process, which imports pandas once
rule tables:
    input:
        records=PLAN.records(TABLES),
        accepted=ACCEPTED,
    output:
        html=[
            report(
                f"reports/{table}.html",
                caption="captions/table.rst",
                category="Tables",
                labels=layouts.report_labels(table),
            )
            for table in TABLES
        ],
        csv=[f"reports/{table}.csv" for table in TABLES],
        markdown=[f"reports/{table}.md" for table in TABLES],
        latex=[f"reports/{table}.tex" for table in TABLES],
    log:
        "logs/reports/tables.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        others=OTHERS,
        scale=SCALE,
    shell:
        "python -m semanir report tables {input.records}"
        " --scale {params.scale} --out reports 2>&1 | tee {log}"


# --- pages ---


rule figure04:
    input:
        activation=PLAN.figure_run.activation,
    output:
        html=PAGES["figure04"],
        svg="reports/figure04.svg",
        csv="reports/figure04.csv",
    log:
        "logs/reports/figure04.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m semanir report figure04 {input.activation} --out reports 2>&1 | tee {log}"


rule visual_page:
    input:
        visuals=VISUALS,
        results=paths.RESULTS.format(scale=SCALE),
    output:
        html=PAGES["visual"],
    log:
        "logs/reports/visual.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        scale=SCALE,
    shell:
        "python -m semanir report visual {input.visuals} --scale {params.scale}"
        " --results {input.results} --out reports 2>&1 | tee {log}"


rule claims:
    input:
        results=paths.RESULTS.format(scale=SCALE),
        accepted=ACCEPTED,
    output:
        html=PAGES["claims"],
        csv="reports/claims.csv",
    log:
        "logs/reports/claims.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        others=OTHERS,
        scale=SCALE,
    shell:
        "python -m semanir report claims --scale {params.scale} --results {input.results}"
        " --out reports 2>&1 | tee {log}"


rule ablations:
    input:
        results=paths.RESULTS.format(scale=SCALE),
        accepted=ACCEPTED,
    output:
        html=PAGES["ablations"],
        csv="reports/ablations.csv",
        svg="reports/ablations.svg",
        figures=[
            f"reports/{figure}.{ending}"
            for figure in ("figure03", "figure05", "figure10")
            for ending in ("svg", "csv")
        ],
    log:
        "logs/reports/ablations.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        others=OTHERS,
        scale=SCALE,
    shell:
        "python -m semanir report ablations --scale {params.scale} --results {input.results}"
        " --out reports 2>&1 | tee {log}"


# of measurements that take minutes: made when it is asked for, and linked where it is
rule speed:
    input:
        bench=expand(paths.ATTENTION, scale=SCALE, evidence="bench"),
        growth=expand(paths.ATTENTION, scale=SCALE, evidence="growth"),
        others=FAST,
    output:
        html=PAGES["speed"],
        csv="reports/speed.csv",
        svg="reports/growth.svg",
    log:
        "logs/reports/speed.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
    shell:
        "python -m semanir report speed --bench {input.bench} --growth {input.growth}"
        " --out reports 2>&1 | tee {log}"


# the landing page, and all pages that it links, in one process
rule index:
    input:
        accepted=ACCEPTED,
        activation=rules.figure04.input.activation,
        visuals=VISUALS,
        results=paths.RESULTS.format(scale=SCALE),
        tables=expand("reports/{table}.html", table=TABLES),
        cells=expand("reports/{table}.csv", table=TABLES),
    output:
        html=PAGES["index"],
        all_tables=report(
            "reports/all_tables.csv",
            caption="captions/all_tables.rst",
            category="Tables",
            labels={"table": "All tables in one CSV"},
        ),
        figure04=PAGES["figure04"],
        figure04_files=[rules.figure04.output.svg, rules.figure04.output.csv],
        visual=PAGES["visual"],
        claims=PAGES["claims"],
        claims_csv=rules.claims.output.csv,
        ablations=PAGES["ablations"],
        ablations_files=[rules.ablations.output.csv, rules.ablations.output.svg],
        figures=rules.ablations.output.figures,
    log:
        "logs/reports/index.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("pages"),
        others=OTHERS,
        scale=SCALE,
        speed=exists("reports/speed.html"),
    shell:
        "python -m semanir report pages --scale {params.scale} --results {input.results}"
        " --visual {input.visuals} --activation {input.activation}"
        " --out reports 2>&1 | tee {log}"


# a table or page that is asked for by name is made alone, of what it needs
if machine.files_are_named():

    ruleorder: table > tables
    ruleorder: figure04 > visual_page > claims > ablations > index

else:

    ruleorder: tables > table
    ruleorder: index > figure04 > visual_page > claims > ablations


# its reports are logs, because what a failed job put out is deleted; where nothing is accepted it
# says so before anything is run
rule gate:
    input:
        results=branch(
            exists(f"reports/accepted/{SCALE}.csv"),
            then=paths.RESULTS.format(scale=SCALE),
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
        "python -m semanir gate check --accepted {params.scale}"
        " --candidate results/{params.scale}/results.csv"
        " --junit {log.junit} --markdown {log.markdown} 2>&1 | tee {log.table}"
