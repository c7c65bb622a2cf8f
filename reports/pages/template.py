"""Pages rendered from the templates of reports/templates/."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from reports import legend
from reports.pages import frame
from semanir.files import write_text
from semanir.paths import ROOT

DATA_FILES: tuple[str, ...] = ("../templates",)
TEMPLATES = ROOT / "reports" / "templates"


@cache
def environment() -> jinja2.Environment:
    """Jinja2 with autoescape; templates fetch nothing.

    They see the verdicts of reports.legend: `verdicts` (those of printed cells), `verdict_of` (by
    name) and `css_classes`; and what stands around every page (reports.pages.frame).
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.globals |= {
        "verdicts": legend.VERDICTS,
        "verdict_of": legend.BY_NAME,
        "css_classes": legend.css_classes,
        "claim_verdicts": legend.CLAIM_VERDICTS,
        "conclusions": legend.CONCLUSIONS,
        "citation": frame.citation,
        "rendered_by": frame.rendered_by,
    }
    return templates


def write_page(path: Path, template: str, **context: Any) -> None:
    """Write the page that a template makes of a context.

    It sees its own file name as `this_page`, and the pages of its site as `links`.
    """
    context |= {"this_page": path.name, "links": frame.navigation(path)}
    write_text(path, environment().get_template(template).render(**context))
