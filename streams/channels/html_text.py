"""The text of an HTML fragment, as a person reads it.

Owns: paragraphs, line breaks, lists, quotes and entities. Refuses: a mistake; whatever comes in, text comes out.
"""

import re
from html.parser import HTMLParser

_SILENT = {"script", "style", "template", "head"}
_BLOCKS = {"p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr"}
_DROPPED_CLASS = "quote-inline"
"""Mastodon adds this paragraph ("RE: <link>") for clients that cannot show quotes; the author did not write it."""

_COMMENT = re.compile(r"<!--[^<>]*-->")
_NO_TAG = re.compile(r"<(?!/?[a-zA-Z][^<>'\"]*(?:\"[^<\"]*\"[^<>'\"]*|'[^<']*'[^<>'\"]*)*>)")
"""A `<` that opens no whole tag. The standard library's parser needs quadratic time for these, and fails on some."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if tag in _SILENT or (_DROPPED_CLASS in classes and tag in ("p", "span")):
            self.silent.append(tag)
        elif tag == "br":
            self._say("\n")
        elif tag == "li":
            self._say("\n- ")
        elif tag in _BLOCKS:
            self._say("\n\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._say("\n")

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if tag == self.silent[-1]:
                self.silent.pop()
        elif tag in _BLOCKS:
            self._say("\n\n")

    def handle_data(self, data: str) -> None:
        self._say(data)

    def _say(self, text: str) -> None:
        if not self.silent:
            self.parts.append(text)


def text_of(html: str) -> str:
    """The text in `html`; paragraphs stand apart by an empty line.

    The parts of a link that the page hides (`https://`, the end of a long path) are kept, so that the link is whole.
    """
    reader = _Reader()
    reader.feed(_NO_TAG.sub("&lt;", _COMMENT.sub("", html)))
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.parts).replace("\r", "").split("\n")]
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n")
