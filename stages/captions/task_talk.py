"""The check that an answer is a caption and nothing else: models talk about their task, label and quote."""

from __future__ import annotations

import re

_TALK = re.compile(
    r"""^\W*(?:sure|certainly|of\ course|okay|ok|absolutely)\b[,!.:]
    |^\W*here(?:'s|\ is|\ are)\ (?:the|your|an?|my|some|one)\b.*
     \b(?:captions?|versions?|paraphrases?|rewords?|sentences?|texts?|descriptions?|answers?)\b
    |\b(?:paraphras|rephras|reword|rewrit|rewrot)\w*
    |\b(?:as|i\ am|i'm)\ an?\ (?:ai|assistant|(?:large\ )?language\ model)\b
    |\bi(?:'m|\ am)\ (?:sorry|unable)|\bi\ (?:cannot|can't|can\ not|won't)\b|\bi\ (?:apologi[sz]e|hope\ this)
    |\b(?:original|given|input|new|following|second|audio)\ captions?\b|\bcaption\ (?:above|below|given|describes)\b
    |\b(?:level|caption|text|answer|output|note|version|option|translation)(?:[ _]?\d+)?\s*:
    |\blevel_\d|\bjson\b|\bignore\ (?:all|the|any|previous|above)\b.*\b(?:instructions?|above|prompts?)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = re.compile(r"\*\*|`|^\s*(?:#+|[-*•>]|\d+[.)])\s|[{}\[\]<>|]|\\n|https?://|^\s*\w+\s*:\s")
_QUOTES = [('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("«", "»")]


def about_the_task(text: str) -> str | None:
    """No talk about the task, no label, no quotation marks around the whole, no markup."""
    talk = _TALK.search(text) or _MARKS.search(text)
    if talk:
        return f"meta: only the caption itself, without {' '.join(talk.group().split())[:40]!r}"
    inner = text.strip().rstrip(".")
    for opening, closing in _QUOTES:
        if len(inner) > 2 and inner.startswith(opening) and inner.endswith(closing) and opening not in inner[1:-1]:
            return "meta: no quotation marks around the caption"
    return None
