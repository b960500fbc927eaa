"""Records what Python's str says of every character into test/fixtures/unicode.json: python record_unicode.py

Ranges [first, last] of code points, surrogates left out: `assigned` in this Python's Unicode, and those for which each method holds.
`forms` has code points whose upper, lower, capitalised or titled form is another text.
"""
import json, sys, unicodedata
from pathlib import Path

points = [p for p in range(sys.maxunicode + 1) if not 0xD800 <= p <= 0xDFFF and unicodedata.category(chr(p)) != "Cn"]


def ranges(chosen):
    result = []
    for p in chosen:
        if result and result[-1][1] == p - 1: result[-1][1] = p
        else: result.append([p, p])
    return result


classes = ["isalnum", "isalpha", "isdecimal", "isdigit", "isnumeric", "isspace", "isupper", "islower", "isprintable"]
forms = {"upper": str.upper, "lower": str.lower, "capitalize": str.capitalize, "title": str.title}
recorded = {
    "unicode": unicodedata.unidata_version,
    "assigned": ranges(points),
    "classes": {name: ranges([p for p in points if getattr(chr(p), name)()]) for name in classes},
    "forms": {name: {chr(p): form(chr(p)) for p in points if form(chr(p)) != chr(p)} for name, form in forms.items()},
}
path = Path(__file__).parents[2] / "fixtures" / "unicode.json"
path.write_text(json.dumps(recorded, separators=(",", ":"), ensure_ascii=False) + "\n")
