"""Records what transformers' apply_chat_template makes of messages before and after it renders them.

    pip install transformers==5.23.0
    python test/tokenizer/record_chats.py > test/fixtures/apply-chat-template.json
"""

import datetime
import json
import sys
from pathlib import Path

import transformers
from transformers.utils import chat_template_utils


class Pinned(datetime.datetime):
    @classmethod
    def now(cls):
        return cls(2024, 7, 26)


# Some templates write the date of today.
chat_template_utils.datetime = Pinned

fixtures = Path(__file__).parent.parent / "fixtures"
tokenizer = transformers.AutoTokenizer.from_pretrained(fixtures / "tokenizers" / "bytebpe-qwen")


def template(name):
    return (fixtures / "chat-templates" / "templates" / f"{name}.jinja").read_text()


templates = {
    # Lists what a template is given, with the order of the keys.
    "shows": "{% for m in messages %}{{ m | tojson }}\n{% endfor %}{{ tools | tojson }} {{ documents | tojson }} {{ add_generation_prompt }} {{ eos_token }} {{ extra is defined }}",
    "trims": "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}<|im_end|>\n{% endfor %}",
    "keeps": "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}",
    "deaf": "{% for m in messages %}{{ m.role }}{% endfor %}",
    "qwen3": template("trl/qwen3"),
    "gptoss": template("trl/gptoss"),
    "deepseekv3": template("trl/deepseekv3"),
    "llama3_2": template("trl/llama3_2"),
}

user = {"role": "user", "content": "Why?"}
call = {"type": "function", "function": {"name": "look", "arguments": {"at": None, "n": 1}}}
answers = {
    "reasoning_content": {"role": "assistant", "reasoning_content": "hm", "content": "So."},
    "thinking": {"role": "assistant", "thinking": "hm", "content": "So."},
    "reasoning": {"role": "assistant", "content": "So.", "reasoning": "hm", "tag": 1},
    "two names": {"role": "assistant", "thinking": "a", "content": "So.", "reasoning_content": "b"},
    "an empty thought": {"role": "assistant", "thinking": "", "content": "So."},
    "a null thought": {"role": "assistant", "thinking": None, "reasoning": "hm", "content": "So."},
    "null content with a call": {"role": "assistant", "content": None, "tool_calls": [call], "name": None},
    "null calls": {"role": "assistant", "content": "So.", "tool_calls": None},
    "parts": {"role": "assistant", "content": [{"type": "text", "text": "So"}, {"type": "text", "text": "."}]},
}
cases = []
for name in ["shows", "qwen3", "gptoss", "deepseekv3"]:
    for answer, message in answers.items():
        # These two concatenate the content, and a list is none.
        if answer == "parts" and name in ("gptoss", "deepseekv3"):
            continue
        cases.append((f"{name}: {answer}", name, [user, message], {}))
        cases.append((f"{name}: {answer}, then a question", name, [user, message, user], {}))
cases += [
    ("documents and tools", "shows", [user], {"documents": [{"title": "T", "text": "x"}], "tools": [call]}),
    ("a variable over a token", "shows", [user], {"eos_token": "<over>", "extra": 1}),
]
for name in ["trims", "keeps", "qwen3", "llama3_2", "deaf"]:
    for text in ["So it ", "", "So\n\nit"]:
        cases.append((f"{name} continues {text!r}", name, [user, {"role": "assistant", "content": text}], {"continue_final_message": True}))
cases += [
    ("continues the last part", "keeps", [user, answers["parts"]], {"continue_final_message": True}),
    ("continues the thinking", "gptoss", [user, {"role": "assistant", "reasoning": "hm, ", "content": ""}], {"continue_final_message": "reasoning_content"}),
    ("continues thinking that is not there", "qwen3", [user, answers["parts"]], {"continue_final_message": "reasoning_content"}),
    ("continues and begins", "qwen3", [user, answers["thinking"]], {"continue_final_message": True, "add_generation_prompt": True}),
]

recorded = []
for title, name, messages, options in cases:
    case = {"title": title, "template": name, "messages": messages, "options": options}
    try:
        case["text"] = tokenizer.apply_chat_template(
            messages, chat_template=templates[name], tokenize=False, **options
        )
    except Exception as error:
        case["error"] = f"{type(error).__name__}: {error}"
    recorded.append(case)
json.dump(
    {"transformers": transformers.__version__, "templates": templates, "cases": recorded},
    sys.stdout,
    ensure_ascii=False,
    indent=1,
)
