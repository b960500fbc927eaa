"""Writes random templates and what Python makes of them, a JSON object a line: generate.py SEED COUNT

The templates go through all filters, tests, globals, operators, statements and methods of fettle's Jinja, which leaves
out what no chat template needs (src/jinja/left-out.ts); a text that shows an address or a range is not written.
"""

import json
import random
import re
import sys

from environment import VARIABLES, limit_memory, make_environment, render

pick = random.Random()


def one(*choices):
    return pick.choice(choices)


ATOMS = {
    "str": ["s", "t", "u", "q", "''", "'a'", "'abc'", "'a b  c'", "'x,y,z'", "'<b>&amp; \"x\"</b>'", "'12'", "'-3.5'",
            "' 42 '", "'ß Ǆ İ ﬁ'", "'a\\nb\\n\\n  c'", "'{} {}'", "'%s-%s'", "'{a}'", "'ABC'", "'aXbXc'",
            "'http://a.com/x?y=1 (www.b.org). me@c.de'", "'the quick-brown fox jumps'", "'&lt;p&gt; &amp;copy; &#65;'",
            "'a\\tb\\tc'", "'ΑΣ ὈΔΥΣΣΕΎΣ'", "'٣²Ⅷ'", "'%'", "'{'", "'0x1f'", "'1e3'", "'nan'", "'\\x00\\x1f\\x7f\\xa0'"],
    "int": ["n", "z", "m", "0", "1", "2", "3", "-1", "10", "255", "1000000", "-2"],
    "float": ["f", "1.0", "0.1", "-2.5", "1e16", "1e-7", "3.14159", "-0.0", "1e300", "0.5"],
    "bool": ["yes", "no", "true", "false"],
    "none": ["nothing", "none"],
    "list": ["xs", "e", "words", "[1, 'a', none]", "[[1, 2], [3]]", "['b', 'a', 'B']", "[1.5, 2, true]", "items",
             "['x', 1]", "[none]", "[('a', 1), ('b', 2)]", "[[]]", "[1, 2, 1, 3]"],
    "tuple": ["()", "(1,)", "('a', 'b')", "(1, 'x', none)", "(3, 2, 1)"],
    "dict": ["d", "{}", "{'a': 1}", "{'b': 2, 'a': 'x'}", "{1: 'x', 2.5: none}", "{'x': [1], 'y': (1, 2)}",
             "{'a': {'b': 1}}", "{97: 'Q', 98: none, 99: 120}", "dict(a=1)"],
    "undefined": ["missing", "d.nope", "missing2"],
    "range": ["range(5)", "range(2, 9, 3)", "range(3, 0, -1)", "range(0)"],
    "generator": ["(xs | map('string'))", "(words | select)", "(items | map(attribute='n'))", "(xs | unique)",
                  "(d | items)", "(xs | reverse)", "(xs | reject('odd'))"],
    "view": ["d.keys()", "d.values()", "d.items()", "{'a': 1}.keys()"],
}
KINDS = list(ATOMS)
WEIGHTED = ["str"] * 8 + ["int"] * 4 + ["list"] * 4 + ["dict"] * 3 + ["float"] * 2 + KINDS

# What each takes when it is used as it is meant to be; a filter's first argument is its value.
FILTERS = {
    "abs": [["number"]], "capitalize": [["str"]], "count": [["iterable"]], "d": [["any"], ["any?"], ["bool?"]],
    "default": [["any"], ["any?"], ["bool?"]], "dictsort": [["dict"], ["bool?"], ["by?"], ["bool?"]],
    "first": [["iterable"]], "float": [["any"], ["any?"]], "format": [["format"], ["any?"], ["any?"]],
    "indent": [["str"], ["width?"], ["bool?"], ["bool?"]], "int": [["any"], ["any?"]], "items": [["dict"]],
    "join": [["iterable"], ["str?"], ["field?"]], "last": [["iterable"]], "length": [["iterable"]], "list": [["iterable"]],
    "lower": [["str"]], "map": [["iterable"], ["filter"]], "max": [["iterable"], ["bool?"], ["field?"]],
    "min": [["iterable"], ["bool?"], ["field?"]], "reject": [["iterable"], ["test?"]],
    "rejectattr": [["records"], ["field"], ["test?"]], "replace": [["str"], ["str"], ["str"], ["small?"]], "reverse": [["iterable"]],
    "round": [["number"], ["digits?"], ["method?"]], "select": [["iterable"], ["test?"]],
    "selectattr": [["records"], ["field"], ["test?"]], "sort": [["iterable"], ["bool?"], ["bool?"], ["field?"]],
    "string": [["any"]], "sum": [["iterable"], ["field?"], ["any?"]], "title": [["str"]],
    "tojson": [["any"], ["bool?"], ["indent?"], ["separators?"], ["bool?"]], "trim": [["str"], ["str?"]],
    "unique": [["iterable"], ["bool?"], ["field?"]], "upper": [["str"]],
}
NAMED = {
    "default": ["default_value", "boolean"], "dictsort": ["case_sensitive", "by", "reverse"], "float": ["default"],
    "indent": ["width", "first", "blank"], "int": ["default"], "join": ["d", "attribute"],
    "max": ["case_sensitive", "attribute"], "min": ["case_sensitive", "attribute"], "map": ["attribute", "default"],
    "replace": ["old", "new", "count"], "round": ["precision", "method"], "sort": ["reverse", "case_sensitive", "attribute"],
    "sum": ["attribute", "start"], "tojson": ["ensure_ascii", "indent", "separators", "sort_keys"], "trim": ["chars"],
    "unique": ["case_sensitive", "attribute"],
}
TESTS = {
    "boolean": [], "defined": [], "divisibleby": [["small"]], "eq": [["any"]], "equalto": [["any"]], "even": [], "false": [],
    "float": [], "ge": [["any"]], "greaterthan": [["any"]], "gt": [["any"]], "in": [["iterable"]], "integer": [], "iterable": [],
    "le": [["any"]], "lessthan": [["any"]], "lower": [], "lt": [["any"]], "mapping": [], "ne": [["any"]], "none": [], "number": [],
    "odd": [], "sameas": [["constant"]], "sequence": [], "string": [], "true": [], "undefined": [], "upper": [],
}
METHODS = {
    "str": {
        **{name: [] for name in ("capitalize", "isalnum", "isalpha", "isdecimal", "isdigit", "islower", "isnumeric", "isspace",
                                 "isupper", "lower", "title", "upper")},
        "center": ["width", "char?"], "count": ["str"], "endswith": ["affix"], "find": ["str"], "format": ["any?", "any?"],
        "index": ["str"], "join": ["strings"], "ljust": ["width", "char?"], "lstrip": ["str?"], "partition": ["str"],
        "removeprefix": ["str"], "removesuffix": ["str"], "replace": ["str", "str", "small?"], "rfind": ["str"],
        "rindex": ["str"], "rjust": ["width", "char?"], "rpartition": ["str"], "rsplit": ["str?", "small?"],
        "rstrip": ["str?"], "split": ["str?", "small?"], "splitlines": ["bool?"], "startswith": ["affix"],
        "strip": ["str?"], "zfill": ["width"],
    },
    "list": {"index": ["any"], "count": ["any"]},
    "tuple": {"index": ["any"], "count": ["any"]},
    "range": {"index": ["int"], "count": ["int"]},
    "dict": {"get": ["key", "any?"], "items": [], "keys": [], "values": []},
}


def argument(kind, depth):
    """A value of a kind, and now and then of any other."""
    if kind.endswith("?"):
        kind = kind[:-1]
    if pick.random() < 0.08:
        kind = "any"
    simple = {
        "small": ["0", "1", "2", "3", "-1", "5", "none"], "width": ["0", "3", "8", "15", "20", "-2", "'--'"],
        "field": ["'n'", "'name'", "0", "'a.b'", "'nope'", "'n,name'", "none"],
        "key": ["'a'", "'b'", "1", "'zz'", "()", "none"], "by": ["'key'", "'value'", "'x'"],
        "digits": ["0", "1", "2", "3", "5"], "method": ["'common'", "'ceil'", "'floor'", "'x'"], "indent": ["2", "0", "none", "'--'", "-1", "true"],
        "separators": ["(',', ':')", "none", "[' ; ', ' = ']", "','"], "char": ["'*'", "'é'", "'ab'", "''", "'<'"],
        "constant": ["none", "true", "false", "xs", "d"],
        "affix": ["'H'", "('H', 'a')", "'c'", "()", "''", "('a', 1)"], "strings": ["words", "'abc'", "['a', 'b']", "('x',)", "d", "[1]"],
        "format": ["'%s'", "'%s-%s'", "'%d'", "'%r'", "'%%'", "s"],
        "filter": ["'upper'", "'length'", "'string'", "'first'", "'nope'", "'int'", "attribute", "'default', 'x'", "'list'", "'abs'", "'tojson'"],
        "test": ["'odd'", "'string'", "'defined'", "'gt', 1", "'in', [1, 2]", "'nope'", "'none'", "'equalto', 2", "'lower'"],
    }
    simple["filter"] = [choice for choice in simple["filter"] if isinstance(choice, str)] + ["attribute='n'", "attribute='name', default='?'"]
    if kind in simple:
        return pick.choice(simple[kind])
    group = {
        "any": WEIGHTED, "number": ["int", "int", "float", "bool"], "iterable": ["list", "list", "list", "tuple", "str", "dict", "range", "generator", "view"],
    }.get(kind)
    if kind == "records":
        return one("items", "items", "[{'n': 1, 'a': {'b': 2}}, {'n': none}]", "[(1, 2), (3, 4)]", "xs", "[d]", "words")
    return expression(pick.choice(group) if group else kind, depth)


attribute = "'upper'"


def arguments(kinds, depth, names=(), keep=0.5):
    """What stands between the parentheses, with required and optional arguments, some of them by name."""
    given, by_name = [], []
    for index, kind in enumerate(kinds):
        optional = kind.endswith("?")
        if optional and pick.random() > keep:
            continue
        value = argument(kind, depth)
        skipped = len(given) < index and not by_name
        if index < len(names) and (skipped or by_name or pick.random() < 0.15):
            if "'" in value and "=" in value.split("'")[0]:
                continue
            by_name.append(f"{names[index]}={value}" if not value.startswith("attribute=") else value)
        elif not by_name:
            given.append(value)
    if pick.random() < 0.03:
        given.append(argument("any", depth))
    if pick.random() < 0.02:
        by_name.append(f"{one('nope', 'width', 'default')}={argument('any', depth)}")
    return ", ".join(given + by_name)


def filtered(depth, kind=None):
    name = pick.choice(list(FILTERS))
    kinds = FILTERS[name]
    value = expression(kind, depth - 1) if kind else argument(kinds[0][0], depth - 1)
    rest = [choice[0] for choice in kinds[1:]]
    inside = arguments(rest, depth - 1, NAMED.get(name, ()))
    result = f"{wrapped(value)} | {name}" + (f"({inside})" if inside or pick.random() < 0.1 else "")
    return f"({result})"


def wrapped(value):
    return value if value.replace("_", "").isalnum() or value[0] in "([{'" and value[-1] in ")]}'" else f"({value})"


def method(depth, kind=None):
    kind = kind if kind in METHODS else pick.choice(["str"] * 10 + list(METHODS))
    value = wrapped(pick.choice(ATOMS[kind]) if kind != "str" else expression(kind, depth - 1))
    name = pick.choice(list(METHODS[kind]))
    if pick.random() < 0.02:
        return f"{value}.{name}"
    return f"{value}.{name}({arguments(METHODS[kind][name], depth - 1)})"


def tested(depth):
    name = pick.choice(list(TESTS))
    kinds = TESTS[name]
    inside = ", ".join(argument(kind[0], depth - 1) for kind in kinds)
    return f"({wrapped(argument('any', depth - 1))} is {one('', '', 'not ')}{name}{f'({inside})' if inside else ''})"


def operated(depth):
    operator = one("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "+", "~", "==", "%")
    if operator in ("**", "*"):
        left, right = one("int", "float", "str", "list", "bool"), one("'a'", "0", "1", "2", "-1", "true")
        return f"({wrapped(pick.choice(ATOMS[left]))} {operator} {right})"
    # Views are ordered as sets, which are left out.
    kinds = [kind for kind in WEIGHTED if kind != "view"]
    kind = pick.choice(kinds)
    other = kind if pick.random() < 0.6 else pick.choice(kinds)
    return f"({wrapped(argument(kind, depth - 1))} {operator} {wrapped(argument(other, depth - 1))})"


def subscripted(depth):
    if pick.random() < 0.5:
        value = pick.choice(ATOMS[one("str", "list", "tuple", "range")])
        return f"{wrapped(value)}[{one('1:', ':2', '::-1', '1:3', '-2:', '::2', '3:0:-1', ':-1')}]"
    value = wrapped(argument(one("str", "list", "tuple", "dict", "range", "any"), depth - 1))
    inside = one("0", "-1", "1", "'a'", "'b'", "5", "'x'", "none", "1.0", "true", "'upper'")
    return f"{value}[{inside}]"


def called(depth):
    return one(
        f"range({arguments(['small', 'small?', 'small?'], 1)})", f"dict({arguments(['dict?'], 1)})", f"dict({arguments(['iterable?'], 1)}, k=1)",
        f"namespace({one('', 'd', '{}', 'a=1', 'd, a=2')}).{one('a', 'b')}",
        f"strftime_now({one(*STRFTIME)})", f"raise_exception({arguments(['any'], 1)})",
        f"'{pick_format()}'.format({arguments(['any', 'any?', 'any?'], 1)})", f"'{pick_percent()}' % {wrapped(argument('any', 1))}",
        f"'{pick_format()}'.format({argument('number', 1)})", f"'{pick_percent()}' % {argument('number', 1)}", f"'{pick_format()}'.format({argument('str', 1)})",
        f"namespace(a={argument('any', 1)}).{one('a', 'b', '_a')}", f"[{argument('any', 1)}, {argument('any', 1)}]", f"{{{argument('any', 1)}: {argument('any', 1)}}}",
    )


STRFTIME = [f"'%{code}'" for code in "aAbBcdDeFHIjmMprRSTxXyYzZ%"] + ["'%-d %_m %^a %-H'", "'plain'", "''", "1"]


def pick_format():
    return one("", "x") + "{" + one("", "", "0", "1", "a", " ") + "}" + one("", "}}", "{{", "y", "{}")


def pick_percent():
    return one("", "x") + "%" + one(*"sdr%q") + one("", "", "%s", "%%")


def expression(kind=None, depth=2):
    if kind in ATOMS and (depth <= 0 or pick.random() < 0.75):
        return pick.choice(ATOMS[kind])
    if depth <= 0:
        return pick.choice(ATOMS[pick.choice(WEIGHTED)])
    make = one(filtered, filtered, filtered, method, method, method, tested, operated, operated, subscripted, called)
    if make in (filtered, method) and kind in ATOMS and pick.random() < 0.5:
        return make(depth, kind) if make is filtered or kind in METHODS else filtered(depth)
    return make(depth)


def statement(depth):
    e = lambda: expression(depth=1)
    inner = lambda: "".join(statement(depth - 1) for _ in range(pick.randrange(1, 3))) if depth > 0 else one("x", "{{ v }}", "{{ i }}", " ", "\n")
    name = one("v", "w", "i", "s", "xs")
    return one(
        lambda: f"{{{{ {e()} }}}}", lambda: f"{{{{ {name} }}}}", lambda: "text <&> ", lambda: f"{{% set {name} = {e()} %}}",
        lambda: f"{{% set {name} %}}{inner()}{{% endset %}}", lambda: f"{{% set {name} | {one('upper', 'replace(1, 2)', 'length')} %}}{inner()}{{% endset %}}",
        lambda: f"{{% if {e()} %}}{inner()}{{% elif {e()} %}}{inner()}{{% else %}}{inner()}{{% endif %}}",
        lambda: f"{{% for {one('i', 'v', 'i, v', 'loop' if pick.random() < 0.1 else 'w')} in {argument('iterable', 1)} {one('', '', 'if loop is undefined ', 'if i ')}%}}{inner()}{{{{ {one('loop.index', 'loop.last', 'loop.length', 'loop.nextitem', 'loop.previtem', 'loop.revindex', 'loop.changed(i)', 'i', 'loop.cycle(1, 2)', 'loop.x', 'loop._x')} }}}}{inner()}{one('', '{% break %}', '{% continue %}', '{% else %}none')}{{% endfor %}}",
        lambda: f"{{% macro {name}({one('', 'a', 'a, b=1', 'a=v', 'i=i')}) %}}{inner()}{one('', '{{ caller() }}', '{{ a }}')}{{% endmacro %}}",
        lambda: f"{{{{ {name}({one('', '1', '1, 2', 'a=3', '*[1]', '**{{}}')}) }}}}",
        lambda: f"{{% call {one('', '(i)')} {name}({one('', '1')}) %}}{inner()}{{% endcall %}}",
        lambda: f"{{% filter {one('upper', 'trim', 'replace(v, 1)', 'length', 'title | reverse')} %}}{inner()}{{% endfilter %}}",
        lambda: f"{{% generation %}}{inner()}{{% endgeneration %}}", lambda: f"{{% set ns = namespace(v={e()}) %}}{{% set ns.{one('v', 'w', '_v')} = {e()} %}}{{{{ ns.v }}}}",
        lambda: f"{{% raw %}}{{{{ v }}}}{{% endraw %}}", lambda: "{# c #}", lambda: f"{{%- if v -%}} {inner()} {{%- endif +%}}", lambda: f"  {{% if v %}}  \n  {inner()}\n {{% endif %}}  \n",
        lambda: f"{{% set {one('v, w', 'v, (w, i)', 'v,', '(v, w)')} = {argument('iterable', 1)} %}}",
    )()


def template():
    return f"{{{{ {expression(depth=pick.choice([1, 1, 2, 2, 3]))} }}}}" if pick.random() < 0.7 else "".join(statement(2) for _ in range(pick.randrange(1, 5)))


def main(seed, count):
    limit_memory()
    pick.seed(seed)
    environment = make_environment()
    print(json.dumps({"variables": VARIABLES}))
    for _ in range(count):
        source = template()
        result = render(environment, source, {"messages": [], "tools": None, "documents": None, "add_generation_prompt": False, **VARIABLES})
        if result is not None and not re.search(r" at 0x|range\(-?\d", result.get("text", "")):
            print(json.dumps({"source": source, **result}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
