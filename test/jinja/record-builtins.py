"""Records which filters, tests, globals, statements and methods Python's Jinja has, and that each is there.

    python test/jinja/record-builtins.py > test/fixtures/jinja-builtins.json

The names come from jinja2's own tables and from dir() on each type that a template can hold.
"""

import json
import sys
from pathlib import Path

import jinja2.parser
from jinja2.runtime import LoopContext, Undefined

sys.path.append(str(Path(__file__).parents[2] / "bench" / "jinja-fuzz"))
from environment import VARIABLES, make_environment, render  # noqa: E402

VALUES = {
    "str": "'a b'", "int": "7", "bool": "true", "float": "2.5", "list": "[1, 2]", "tuple": "(1, 2)", "dict": "{'a': 1}",
    "dict_keys": "{'a': 1}.keys()", "dict_values": "{'a': 1}.values()", "dict_items": "{'a': 1}.items()", "range": "range(3)",
    "NoneType": "none", "Markup": "('<b>' | safe)", "generator": "([1] | map('string'))",
}
STATEMENTS = {
    "for": "{% for x in xs %}{{ x }}{% else %}none{% endfor %}", "if": "{% if z %}a{% elif n %}b{% else %}c{% endif %}",
    "block": "{% block a %}{{ n }}{% endblock a %}{{ self.a() }}", "extends": "{% extends 'base' %}", "print": "{% print n, s %}",
    "macro": "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "include": "{% include 'a' %}",
    "from": "{% from 'a' import b %}", "import": "{% import 'a' as b %}", "set": "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "with": "{% with a = 1 %}{{ a }}{% endwith %}", "autoescape": "{% autoescape true %}{{ '<' }}{% endautoescape %}",
    "call": "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{% endcall %}", "filter": "{% filter upper %}abc{% endfilter %}",
    "break": "{% for x in xs %}{{ x }}{% break %}{% endfor %}", "continue": "{% for x in xs %}{% continue %}{{ x }}{% endfor %}",
    "generation": "{% generation %}x{% endgeneration %}", "raw": "{% raw %}{{ x }}{% endraw %}", "do": "{% do xs.append(1) %}",
    "trans": "{% trans %}x{% endtrans %}", "debug": "{% debug %}",
}


def public(held):
    return [name for name in dir(held) if not name.startswith("_")]


def main():
    environment = make_environment()
    known = jinja2.parser._statement_keywords | {"call", "filter"} | {tag for e in environment.extensions.values() for tag in e.tags}
    assert known <= set(STATEMENTS), known - set(STATEMENTS)

    def case(source):
        return {"source": source, **render(environment, source, VARIABLES)}

    attributes = {}
    for type_name, value in VALUES.items():
        held = environment.compile_expression(value, undefined_to_none=False)(**VARIABLES)
        attributes[type_name] = {name: case(f"{{{{ ({value}).{name} is defined }}}}") for name in public(held)}
    macro = "{% macro m() %}{% endmacro %}"
    attributes["function"] = {
        **{name: case(f"{{{{ dict.{name} is defined }}}}") for name in public(environment.globals["dict"])},
        **{name: case(f"{macro}{{{{ m.{name} is defined }}}}") for name in public(environment.from_string(macro).module.m)},
    }
    attributes["LoopContext"] = {
        name: case(f"{{% for x in xs %}}{{{{ loop.{name} is defined }}}}{{% endfor %}}") for name in public(LoopContext([1], Undefined))
    }
    print(json.dumps({
        "variables": VARIABLES,
        "filters": sorted(environment.filters), "tests": sorted(environment.tests), "globals": sorted(environment.globals),
        "statements": {name: case(source) for name, source in STATEMENTS.items()}, "attributes": attributes,
    }, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
