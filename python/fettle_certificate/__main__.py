"""One exported form in one runtime: python -m fettle_certificate RUNTIME FORM

RUNTIME is llama_cpp, mlx_lm or transformers; FORM is JSON: {"model": path, "adapter": path, "capacity": tokens}.
The first line that is written is {"name", "version", "stops": ids of tokens that end an answer}, or {"missing": package}.
Then each line that is read is answered by a line:
    {"render": {"kind": "messages", "messages", "tools", "variables"} or {"kind": "text", "text"} or {"kind": "tokens", "ids"}} -> {"text", "ids"}
    {"ids", "rows"} -> {"logits": base64 of float32 [rows, vocabulary], which follow the last `rows` tokens}
What goes wrong is {"error": text}.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import sys
from typing import Any

from .runtimes import packages, runtimes


def main(runtime: str, form: dict[str, Any]) -> None:
    # Libraries print where they like: answers have the pipe to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    for package in packages(runtime, form):
        if importlib.util.find_spec(package) is None:
            answer({"missing": package})
            return
    try:
        runner = runtimes[runtime](form)
        answer(runner.hello())
    except Exception as error:  # noqa: BLE001
        answer({"error": told(error)})
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "render" in request:
                text, ids = runner.render(request["render"])
                answer({"text": text, "ids": [int(each) for each in ids]})
            else:
                rows = runner.logits(request["ids"], request["rows"]).astype("<f4")
                answer({"logits": base64.b64encode(rows.tobytes()).decode()})
        except Exception as error:  # noqa: BLE001
            answer({"error": told(error)})


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
