"""Records what transformers makes of rows whose JSON holds more than JavaScript's numbers and objects do.

    pip install transformers==5.24.0
    python test/data/record_lossless.py > test/fixtures/lossless-rows.json
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

templates = Path(__file__).parent.parent / "fixtures" / "chat-templates" / "templates"

SHOWS = (
    "{% for m in messages %}{{ m | tojson }}|{{ m }}|"
    "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}"
    "{% for k, v in c.function.arguments.items() %} {{ k }}={{ v }};{{ v is float }}{% endfor %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{{ tools | tojson }}"
)
NAMES = ["trl/qwen3", "trl/qwen2_5", "trl/llama3_1", "axolotl/llama4", "axolotl/mistral_v3_tekken"]

ARGUMENTS = [
    '{"user_id": 1234567890123456789}',
    '{"n": 1, "f": 1.0, "e": 1e16, "big": 1e22, "small": 1e-7, "neg": -0.0, "zero": -0, "long": 123456789012345678901234567890}',
    '{"b": 1, "10": "ten", "2": "two", "a": 2, "nested": {"404": 1.0, "200": [2, 3.0]}}',
    '{"text": "1.0 and 1e5, \\"10\\": 2", "__proto__": {"x": 1}, "é": "\\ud83d\\ude00"}',
]


def row(arguments):
    return (
        '{"messages": [{"content": "w?", "role": "user"}, {"role": "assistant", "content": "", "tool_calls": '
        '[{"type": "function", "id": "call00001", "function": {"name": "f", "arguments": ' + arguments + "}}]}, "
        '{"role": "tool", "name": "f", "tool_call_id": "call00001", "content": "3"}, {"role": "assistant", "content": "b"}], '
        '"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": '
        '{"type": "object", "properties": {"404": {"type": "string", "minimum": 1.0}, "200": {"maximum": 1e16}}}}}]}'
    )


def render(template, text):
    value = json.loads(text)
    rendered, _ = render_jinja_template(
        [value["messages"]], tools=value["tools"], chat_template=template, bos_token="<s>", eos_token="</s>"
    )
    return rendered[0]


cases = []
for arguments in ARGUMENTS:
    text = row(arguments)
    for name in ["shows", *NAMES]:
        source = SHOWS if name == "shows" else (templates / f"{name}.jinja").read_text()
        cases.append({"template": name, "row": text, "text": render(source, text)})
print(json.dumps({"shows": SHOWS, "cases": cases}, indent=1))
