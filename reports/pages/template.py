"""Pages rendered from the templates of reports/templates/."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from reports import legend
from semanir.files import write_text
from semanir.paths import ROOT

DATA_FILES: tuple[str, ...] = ("../templates",)
TEMPLATES = ROOT / "reports" / "templates"


@cache
def environment() -> jinja2.Environment:
    """Jinja2 with autoescape; templates fetch nothing.

    They see the verdicts of reports.legend: `verdicts` (those of printed cells), `verdict_of` (by
    name) and `css_classes`.
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
    }
    return templates


def write_page(path: Path, template: str, **context: Any) -> None:
    """Write the page that a template makes of a context."""
    write_text(path, environment().get_template(template).render(**context))
