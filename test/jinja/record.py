"""Records what Python's jinja2 makes of the expressions below, as transformers configures it; of the language that fettle has.

    pip install jinja2==3.1.6 transformers
    python test/jinja/record.py > test/fixtures/jinja-golden.json
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench" / "jinja-fuzz"))
from environment import VARIABLES, make_environment, render  # noqa: E402

environment = make_environment()

expressions = r"""
1 + 2 * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 % 2
-7.5 // 2
2 ** 3
2 ** 3 ** 2
2 ** -1
2 ** 0.5
-2 ** 2
1_000
0x1f
0b101
0o17
1.0
1e3
1e16
1e-5
1.5e300 * 1e10
0.1 + 0.2
100.0
1e22
123456.789
1 / 0
1 // 0
1 % 0
1.0 / 0
true + true
true * 3
-true
not 1
not ''
not none
1 < 2 < 3
1 < 2 > 3
1 == 1.0
true == 1
'a' < 'b'
'a' == 'a' == 'a'
[1, 2] < [1, 3]
(1, 2) == (1, 2)
[1] == (1,)
1 < 'a'
none < 1
'a' in 'abc'
1 in [1, 2]
'b' in d
'zz' not in d
1 in 'abc'
1 in 5
'a' ~ 1 ~ none ~ true ~ 1.0
[1, 'a', none, true, 1.5]
(1,)
()
(1, 'b')
{'a': 1, 'b': [1]}
{1: 2, 1.0: 3}
{'a': 1}['a']
[1, 2, 3][1]
[1, 2, 3][-1]
[1, 2, 3][5]
[1, 2, 3][1:]
[1, 2, 3][::-1]
[1, 2, 3][-2:]
[1, 2, 3][::2]
[1, 2, 3][5:]
'abcdef'[1:4]
'abcdef'[::-1]
'abcdef'[-3:-1]
'abcdef'[4:1]
'abcdef'[4:1:-1]
u[2]
u[3]
u[2:5]
u[::-1]
u | length
u | list
u | upper
u | reverse
s[0]
s[100]
s.missing
s.missing.more
undefined_name
undefined_name.x
undefined_name + 1
1 + undefined_name
undefined_name is defined
undefined_name | default('x')
undefined_name | default
'' | default('x')
'' | default('x', true)
none | default('x')
nothing | d('y', boolean=true)
undefined_name | length
undefined_name | list
undefined_name == undefined_other
undefined_name ~ 'x'
undefined_name()
not undefined_name
'a' + 1
1 + 'a'
'a' * 3
3 * 'ab'
'a' * -1
[1] * 2
'a' - 'b'
[1] + [2]
[1] + (2,)
(1,) + (2,)
d.b
d['b']
d.c[2].x
d.items()
d.keys() | list
d.values() | list
d.get('b')
d.get('q')
d.get('q', 5)
d.get()
d.nope
d['nope']
d.items() | list
d | length
d | list
d.pop('b')
d.update({})
xs.append(1)
xs.pop()
xs.sort()
xs.index(1)
xs.count(3)
xs.index(9)
s.upper()
s.lower()
s.title()
s.capitalize()
s.split()
s.split(',')
s.split('l', 1)
s.split('l', -1)
s.split(none)
s.split(maxsplit=1)
s.split(sep='o')
s.rsplit('o', 1)
s.rsplit(' ', maxsplit=1)
'a b  c '.split(' ')
'  a b  c '.split()
'  a b  c '.split(none, 1)
'  a b  c '.rsplit(none, 1)
s.split('')
'a\nb\r\nc\n'.splitlines()
'a\nb\r\nc\n'.splitlines(true)
'a\x0bb\x1cc\u2028d'.splitlines()
t.strip()
t.lstrip()
t.rstrip()
'xxabcxx'.strip('x')
'xyabcyx'.strip('xy')
'xyabcyx'.lstrip('xy')
'xyabcyx'.rstrip('xy')
'abc'.strip('')
'abc'.strip(none)
'abc'.strip(1)
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '-')
'abc'.replace('', '-', 2)
s.replace('l')
s.find('o')
s.find('zz')
s.rfind('o')
s.index('W')
s.index('zz')
s.count('l')
s.count('')
s.startswith('He')
s.startswith(('x', 'He'))
s.startswith(1)
s.endswith('ld')
s.endswith(('a', 'b'))
s.isalpha()
'abc'.isalpha()
'12'.isdigit()
'ab1'.isalnum()
' '.isspace()
'AB'.isupper()
'ab'.islower()
s.partition(', ')
s.rpartition('o')
s.partition('zz')
s.rpartition('zz')
'abc'.center(8)
'abc'.center(8, '*')
'ab'.center(5, '*')
'abc'.ljust(6, '.')
'abc'.rjust(6, '.')
'42'.zfill(5)
'-42'.zfill(5)
'abc'.removeprefix('a')
'abc'.removesuffix('bc')
'-'.join(['a', 'b'])
'-'.join('abc')
'-'.join([1])
'{} {}'.format(1, 'a')
'{1} {0}'.format(1, 'a')
'{a}'.format(a=5)
'{{}}'.format()
'{'.format(1)
'{}'.format()
'%s and %s' % ('a', 1)
'%d' % 3.7
'%%' % ()
'%r' % 'a'
'%s' % none
'%s' % [1]
'%s %s' % 'a'
'%s' % ('a', 'b')
'%d' % 'a'
'a'.nope()
'ß'.upper()
'ß'.capitalize()
'ﬁx'.title()
'İ'.lower()
'ΑΣ'.lower()
s | upper
s | lower
s | title
s | capitalize
"they're bill's-friends (ok)" | title
"they're bill's".title()
s | trim
t | trim
'xxaxx' | trim('x')
s | length
s | count
s | first
s | last
s | reverse
s | list
xs | first
xs | last
e | first
e | last
xs | sort
xs | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
items | sort(attribute='n') | map(attribute='name') | list
items | sort(attribute='n,name') | map(attribute='name') | list
items | sort(attribute='name', reverse=true) | map(attribute='name') | list
[1, 'a'] | sort
xs | join
xs | join(', ')
items | join('-', attribute='name')
none | join
items | map(attribute='name') | join(',')
items | map(attribute='zz', default='?') | list
items | map(attribute='zz') | list
words | map('upper') | list
words | map('replace', 'a', 'A') | list
words | map('zzz') | list
items | selectattr('n', 'equalto', 2) | map(attribute='name') | list
items | selectattr('n', '==', 2) | list | length
items | selectattr('n') | list | length
items | rejectattr('n', 'gt', 1) | list
items | selectattr('zz', 'defined') | list
items | selectattr('n', 'equalto', 2) | length
xs | select('odd') | list
xs | reject('odd') | list
xs | select | list
xs | select('gt', 1) | list
xs | select('nope') | list
xs | map('string') | list
xs | sum
items | sum(attribute='n')
items | sum(attribute='n', start=10)
words | sum
xs | min
xs | max
words | min
words | max(case_sensitive=true)
items | max(attribute='n')
e | max
[1, 2, 1, 'A', 'a'] | unique | list
d | dictsort
d | dictsort(reverse=true)
{'B': 1, 'a': 2} | dictsort
{'B': 1, 'a': 2} | dictsort(true)
{'x': 2, 'y': 1} | dictsort(by='value')
{'x': 2, 'y': 1} | dictsort(false, 'value')
d | dictsort(by='q')
d | items | list
5 | items
undefined_name | items | list
'3' | int
'3.7' | int
'x' | int
'x' | int(5)
' 12 ' | int
'1_000' | int
none | int
2.9 | int
true | int
[] | int
'2.5' | float
'x' | float
'1e3' | float
3 | float
none | float(1.5)
'inf' | float
2.5 | round
3.5 | round
2.567 | round(2)
2.567 | round(1, 'floor')
2.567 | round(1, 'ceil')
5 | round
1.005 | round(2)
2.675 | round(2)
'a' | round
-3 | abs
-2.5 | abs
'a' | abs
42 | string
none | string
1.0 | string
('<a>' | safe) ~ '<b>'
('<a>' | safe) % 1
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, blank=true)
'a\nb' | indent('> ')
'a\nb\n' | indent(2)
'%s-%s' | format('a', 1)
s | replace('l', 'L')
s | replace('l', 'L', 1)
123 | replace(2, 9)
d | tojson
d | tojson(indent=2)
d | tojson(indent=0)
d | tojson(indent='\t')
d | tojson(separators=(',', ':'))
d | tojson(sort_keys=true)
u | tojson
u | tojson(ensure_ascii=true)
q | tojson
'\x00\x1f\x7f\u2028' | tojson
[1.0, 1e16, 1e-7, none, true, 10000000000000000000000] | tojson
[1, [], {}, [[]]] | tojson(indent=2)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
(1, 2) | tojson
undefined_name | tojson
(xs | map('string')) | tojson
d.items() | tojson
range(3) | tojson
s | tojson | tojson
q
[q]
['\t\n\r\x07\x7f', 'é', '\u200b', '😀', "'", '"', "'\""]
{'k': q}
range(5) | list
range(2, 5) | list
range(5, 0, -2) | list
range(5)[1]
range(5) | length
range(200000)
range(1, 2, 0)
range('a')
dict(a=1, b=2)
dict([('a', 1)])
dict({'a': 1}, b=2)
namespace(a=1).a
namespace(a=1).b
raise_exception('no')
1 is odd
2 is even
9 is divisibleby 3
9 is divisibleby(2)
none is none
1 is number
1.5 is number
true is number
1.5 is float
1 is float
1 is integer
true is integer
true is boolean
1 is boolean
true is true
1 is true
false is false
'a' is string
1 is string
xs is sequence
'a' is sequence
d is sequence
1 is sequence
d is mapping
xs is mapping
xs is iterable
'a' is iterable
1 is iterable
undefined_name is iterable
undefined_name is sequence
undefined_name is none
range(2) is sequence
(xs | map('string')) is iterable
(xs | map('string')) is sequence
'AB' is upper
'ab' is lower
1 is sameas 1
none is sameas none
xs is sameas xs
1 is eq 1
1 is ne 2
1 is lt 2
2 is ge 2
1 is in [1]
1 is not in [1]
'a' is in 'abc'
1 is nope
1 | nope
1 if true
1 if false
1 if false else 2
1 if false else 2 if false else 3
'x' if undefined_name else 'y'
(1 if no else 2) + 1
none or 'x'
'' or 0 or []
1 and 2
0 and 2
1 and '' or 'z'
[] == []
xs | map('string') | join
xs | list | length
s.upper
xs.0
d.c.0
d.c[0:2]
{}.get('a', 'b')
[[1, 2], [3]] | sum(start=[])
'a' 'b' "c"
"\x41\u00e9\n\t\\ \q \101 \'"
'a\
b'
[1, 2, ]
(1, 2, )
{'a': 1, }
f | string
f * 2
f // 1
f % 1
n / 7
m // 2
m % 3
yes and 1
yes ~ no
d == {'b': 1, 'a': 'two', 'c': [1, 2, {'x': none}]}
-n
+n
- -n
not not n
n.__class__
s.__class__
''.__class__.__mro__
d.__class__
xs.__len__()
s.format.__globals__
d['b']['c']
nothing.x
nothing['x']
5.5 | int
7 | divisibleby(2)
u.split(' ')
u.find('日')
u.center(20, '-')
u | tojson | length
'日本' * 2
u.replace('😀', 'x')
'a-b_c d' | title
'ǆ'.title()
'x' < 'X'
'é' < 'z'
'😀' > '\uffff'
xs | sort | reverse | list
xs | reverse
xs | map('abs')
xs[0] + xs[-1]
xs[1:][0]
(1, 2)[0]
(1, 2) | list
1, 2
xs | map('float') | list
words | map('first') | join
words | map('length') | sum
words | select('in', ['apple']) | list
words | map(attribute='upper') | list | length
d | map('upper') | list
d.items() | map('first') | list
items | map(attribute='n') | sort | join
items | selectattr('name', 'in', ['a', 'c']) | map(attribute='n') | sum
items | selectattr('name', 'string') | list | count
items | rejectattr('name', 'eq', 'a') | map(attribute='name') | list
items | first
(items | last).name
items | map(attribute='name') | map('lower') | sort | join('')
'a,b,c'.split(',') | map('upper') | join(';')
xs | join(1)
xs is defined and xs | length > 2
xs | length == 3 and 'x'
s | lower | replace('o', '0') | upper
'%s' % xs | length
'a' if 'a' in xs else 'b'
no[1:]
nothing[:2]
d[1:]
xs[:'a']
none | indent

strftime_now('%Y-%m-%d %H:%M:%S %A %a %B %b %j %y %I %p %d %-d %e %%')
strftime_now('%r %_d %_m %^a %^B %-H %-y %F %T %c')
9007199254740993
9007199254740993 | tojson
[9007199254740993] == [9007199254740993]
-9007199254740993
3 ** 30
5 ** 22
'<a>' | safe
('<a>' | safe) + 'b'
'b' + ('<a>' | safe)
('<a>' | safe) + ('<b>' | safe)
['<a>' | safe]
'<a>' | safe | length
('<a>' | safe) == '<a>'
'<a>' | safe | tojson
('<a>' | safe) is string
'a' in ('abc' | safe)
('x' | safe) | upper
'ab' | safe | reverse
{'a': 1}.keys() == {'a': 2}.keys()
{'a': 1}.items() == {'a': 2}.items()
{'a': 1}.values() == {'a': 1}.values()
'{} {}'.format('a')
'{0} {}'.format(1, 2)
'{} {0}'.format(1, 2)
'{b}'.format(a=1)
'a{{{}}}b'.format(1)
'}'.format(1)
'%s%%%d' % (1, 2)
'%q' % 1
'%' % 1
'%s' % {'a': 1}
'x' % {'a': 1}
'x' % [1]
'x' % 1
'%d' % true
'%s-%s' | format('a')
'aXbX'.rfind('X')
'aXbX'.rindex('X')
s.endswith('')
range(3) == range(3)
range(3) == [0, 1, 2]
2 in range(0, 5, 2)
range(5)[-1]
range(3) is sequence
d.items() is sequence
d.items()[0] is defined
[1, 2] + range(3) | list
[3, none, 1] | select('none') | list
words | map('length') | list
""".strip("\n").replace("'a\\\nb'", "'a\\\\\nb'").split("\n")

templates = r"""
{% for i in [1,2,3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}
{% for i in [1,2,3] %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }};{% endfor %}
{% for i in [1,1,2] %}{{ loop.changed(i) }}{{ loop.cycle('a','b') }}{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %}
{% for i in [1] %}{% continue %}{% else %}none{% endfor %}
{% for i in [1,2,3,4] if i % 2 == 0 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}
{% for i in [1,2,3,4] %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1,2,3,4] %}{% if i == 3 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for a, b in [(1,2),(3,4)] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [(1,2,3)] %}{{ a }}{% endfor %}
{% for (a, b), c in [((1,2),3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for c in 'añ😀' %}[{{ c }}]{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in undefined_name %}x{% else %}empty{% endfor %}
{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}
{% for i in [1,2] %}{{ x }}{% set x = i %}{{ x }};{% endfor %}{{ x }}
{% set ns = namespace(x=0) %}{% for i in [1,2,3] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% set y = d %}{% set y.b = 2 %}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% if false %}{% set x = 1 %}{% endif %}{{ x is defined }}
{% if false %}{% set n = 1 %}{% endif %}{{ n }}
{% for i in [1] %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}
{{ n }}{% set n = 1 %}{{ n }}
{% set n = n + 1 %}{{ n }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a = 1, 2 %}{{ a }}
{% set a, b = 1 %}
{% set x %}hello {{ s }}{% endset %}{{ x | upper }}
{% set x | upper %}hello{% endset %}{{ x }}
{% set x | replace('h', 'j') | upper %}hello{% endset %}{{ x }}
{% filter upper %}abc{{ s }}{% endfilter %}
{% filter replace('a', 'b') | upper %}abc{% endfilter %}
{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(1, c=5) }}|{{ m(b=1) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x=1) }}
{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}body{% endcall %}
{% macro m(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) m(1) %}{{ a }}-{{ b }}{% endcall %}
{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}
{% macro m() %}{% set x = 2 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% for i in [1,2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% raw %}{{ x }}{% y %}{% endraw %}z
{%- raw -%}  a  {%- endraw -%}  b
{# comment #}a{#- c -#} b {#- c #} c
  {% if true %}  
  x
  {% endif %}  
y
  {%+ if true %}
x{% endif +%}
y
a   {{- 1 -}}   b
{% if true -%}   a   {%- endif %}
{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}
{% if undefined_name %}a{% else %}c{% endif %}
{% if undefined_name.x %}a{% endif %}
{{ [1, 2
 , 3] }}
{{ {'a': {'b': 1}}['a'] }}
{{ {'a': {'b': 1}} }}
{{ "}}" }}{{ '%}' }}
{{ m is defined }}{% macro q(a=undefined_name) %}{{ a is defined }}{% endmacro %}{{ q() }}
{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}
{% for i in [1,2,3] %}{% set last = loop.last %}{% if last %}L{% endif %}{% endfor %}
{% for m in items if m.n == 2 %}{% if not loop.first %},{% endif %}{{ m.name }}{% endfor %}
{% set ns = namespace(stop=false) %}{% for i in [1,2,3] if not ns.stop %}{{ i }}{% if i == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}
{% for i in [1,2] %}{% if loop.first %}{% set x = 'f' %}{% endif %}{{ x }}{% endfor %}
{% set x = 'o' %}{% for i in [1,2] %}{% if loop.first %}{% set x = 'f' %}{% endif %}{{ x }}{% endfor %}{{ x }}
{% if true %}{{ 1 | nope }}{% endif %}
{% if false %}{{ 1 | nope }}{% endif %}ok
{{ 1 | nope if false else 2 }}
{% if false %}{{ 1 is nope }}{% endif %}ok
{% set loop = 1 %}{{ loop }}
{% for loop in [1] %}{% endfor %}
{% set x = namespace() %}{% set x.y = 1 %}{% set x.z = x.y + 1 %}{{ x.z }}
{% set g = xs | map('string') %}{{ g | list }}{{ g | list }}
{% set g = xs | select %}{% if g %}yes{% endif %}{{ g | first }}{{ g | list }}
{% break %}
{% nope %}
{% if %}x{% endif %}
{% for x %}{% endfor %}
{{ }}
{{ 1 + }}
{{ (1 }}
{{ 1) }}
{{ [1 }}
{% if true %}
{{ 'abc }}
{% endif %}
{% if true %}{% endfor %}
{{ a b }}
{{ 1 if }}
{% set 1 = 2 %}
{% set true = 2 %}
{{ x.1a }}
{{ 'a' is is }}
{{ f(a=1, 2) }}
{{ f(**d, a=1) }}
{{ dict(**d).b }}{{ range(*[2,4]) | list }}
{% macro m(a=1, b) %}{% endmacro %}
{% if 1 if 2 else 3 %}{% endif %}
{% for x in 1 if 2 else 3 %}{% endfor %}
{% call s.upper() %}x{% endcall %}
{% set x = 5 %}{{ x }}{% set x = 'a' ~ x %}{{ x }}
line one
{% set q = 1 %}
line two
{%- set q = 1 -%}
line three
""".strip("\n").split("\n")

# Templates of several lines are written here, each whole.
templates += [
    "  {% if true %}  \n  x\n  {% endif %}  \ny",
    "  {%+ if true %}\nx{% endif +%}\ny",
    "a\n\n  {# c #}\nb",
    "a\r\nb\r{% if true %}\r\nc{% endif %}\n",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend\n",
    "{% for i in [1,2] -%}\n  {{ i }}\n{%- endfor %}\nend\n\n",
    "{{ 1 }}\n{{ 2 }}\n",
    "  {{ 1 }}\n",
    "a {% raw %}\n {{ x }}\n  {% endraw %}\nb",
    "a {% raw -%}\n {{ x }}\n  {%- endraw %}\nb",
    "{%- if true %}\n\n  x\n\n{%- endif -%}\n\n y",
    "{{ 'a\nb' }}",
    "\n{% set x = 1 %}\n{{ x }}",
    "x{% if true %}\ny{% endif %}\n\nz",
    "\t{% if true %}\ty\t{% endif %}\t\nz",
    "a {% if true %} b {% endif %} c",
    "{% macro m() %}\n  in\n{% endmacro %}\n[{{ m() }}]",
    "{#\n multi\n#}\nx",
    "{{ [\n1,\n2\n] }}",
    "{% set x %}\n a\n{% endset %}\n[{{ x }}]",
]


def run(source):
    return {"source": source, **render(environment, source, VARIABLES)}


cases = [run("{{ " + source + " }}") for source in expressions if source.strip()]
cases += [run(source) for source in templates]
# Addresses differ from run to run.
cases = [case for case in cases if " at 0x" not in case.get("text", "")]
print(json.dumps({"variables": VARIABLES, "cases": cases}, ensure_ascii=False, indent=0))
