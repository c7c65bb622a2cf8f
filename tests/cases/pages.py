"""Rendered pages as tests read them."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Every start tag, and whether each was closed in order."""

    VOID = ("meta", "br", "hr", "img", "input", "link", "source")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.header, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr" and "thead" in self.open:
            self.header.append([])
        if tag == "th" and "thead" in self.open:
            self.header[-1].append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def attributes(self, tag, name):
        return [attrs[name] for found, attrs in self.tags if found == tag and name in attrs]


def assert_self_contained(text):
    """Nothing is fetched: no outer script, style sheet or image, no address on the network."""
    page = Page(text)
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert page.attributes("script", "src") == []
    sources = page.attributes("img", "src")
    assert all(to.startswith("data:image/png;base64,") for to in sources), sources
    addresses = page.attributes("a", "href")
    file = r"[a-z0-9_]+\.(html|csv|md|svg|tex)(#[a-z0-9-]+)?|#[a-z0-9-]+"
    assert all(re.fullmatch(file, to) for to in addresses), addresses
    assert "http" not in text
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    return page
