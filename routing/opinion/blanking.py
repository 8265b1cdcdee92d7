"""Blanking: what tells who somebody is goes out of a text before the text leaves the company.

Owns: links, e-mail addresses, handles, account numbers and runs of digits. Refuses: names and places, which no pattern
can tell from other words; whoever may not let those leave leaves the second opinion off.

Patterns begin where a word begins, so that each character is looked at a bounded number of times, whatever the text.
"""

import re
import unicodedata

LINK, EMAIL, HANDLE, NUMBER = "[link]", "[email]", "[handle]", "[number]"

MOST_CHARS = 4_000
"""So much of a text is read; half of that is sent (question.py)."""

_ENDINGS = "de|at|ch|eu|com|net|org|info|io|me|co|uk|us|fr|nl|ly|gl|app|shop|online|social|site|xyz"
_LINKS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:|tel:)\S+"
    rf"|(?<![\w.@-])(?:[\w-]+\.)+(?:(?:{_ENDINGS})(?![\w@-]|\.\w)(?::\d+)?(?:[/?#]\S*)?|[a-z]{{2,24}}/\S+)",
    re.IGNORECASE,
)
_OF_MAILBOX = r"\w.+%'=&~!#$-"
_EMAILS = re.compile(
    rf"(?<![@{_OF_MAILBOX}])[{_OF_MAILBOX}]+(?:@|\s?[(\[{{]\s?(?:at|ät)\s?[)\]}}]\s?)[\w.-]*\w", re.IGNORECASE
)
_HANDLES = re.compile(r"@[\w.-]*\w(?:@[\w.-]*\w)?")
_ACCOUNTS = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?(?!\w)")
_CLOSE_ACCOUNTS = re.compile(r"(?<!\w)[a-z]{2}\d{2}[a-z0-9]{11,30}(?!\w)", re.IGNORECASE)
_NUMBERS = re.compile(r"\+?\(?\d(?:[ \t./()|_·‐–—−-]{0,3}\d){4,}")
_UNSEEN = {"Cf", "Cc", "Me"}
_SELECTORS = "\ufe0e\ufe0f"


def blank(text: str) -> str:
    """`text` without what tells who somebody is; each find gives way to what it was, such as `[email]`.

    Compatibility forms (full-width digits, for one) are read as what they look like, and invisible characters, which
    would cut a number in two, are dropped.

    Args:
        text: any text; what follows its first 4,000 characters is left out.
    """
    text = unicodedata.normalize("NFKC", text[:MOST_CHARS])
    text = "".join(one for one in text if one in "\n\t" or not _invisible(one))
    # E-mail addresses before links, of which their end is one; handles last of the three, being part of both.
    for pattern, kind in (
        (_EMAILS, EMAIL),
        (_LINKS, LINK),
        (_HANDLES, HANDLE),
        (_ACCOUNTS, NUMBER),
        (_CLOSE_ACCOUNTS, NUMBER),
        (_NUMBERS, NUMBER),
    ):
        text = pattern.sub(kind, text)
    return text


def says_something(blanked: str) -> bool:
    """Whether words are left in a blanked text."""
    for kind in (LINK, EMAIL, HANDLE, NUMBER):
        blanked = blanked.replace(kind, "")
    return any(one.isalpha() for one in blanked)


def _invisible(one: str) -> bool:
    # Key caps are digits with a selector and an enclosing mark.
    return one in _SELECTORS or unicodedata.category(one) in _UNSEEN
