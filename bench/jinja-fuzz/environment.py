"""The Jinja environment that transformers compiles chat templates in, with its clock held still."""

import copy
import datetime as _datetime
import resource
import signal

NOW = _datetime.datetime(2024, 7, 6, 15, 4, 5)


def make_environment():
    """transformers' own environment, not a copy of its settings, with a fixed clock."""
    from transformers.utils import chat_template_utils

    class Clock(_datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    chat_template_utils.datetime = Clock
    environment = chat_template_utils._compile_jinja_template("").environment
    return environment


class TooSlow(Exception):
    pass


def _give_up(signum, frame):
    raise TooSlow("the template took too long")


def render(environment, source, variables):
    """What Python makes of a template: {"text": …} or {"error": …}; None where it would take too much."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        return {"text": environment.from_string(source).render(**copy.deepcopy(variables))}
    except (TooSlow, MemoryError):
        return None
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory(gibibytes=3):
    resource.setrlimit(resource.RLIMIT_AS, (gibibytes << 30, gibibytes << 30))


VARIABLES = {
    "s": "Hello, World",
    "t": "  padded\t\n",
    "u": "é 😀👍🏽 日本語",
    "q": "it's \"so\"\n\\",
    "n": 7,
    "z": 0,
    "m": -7,
    "f": 2.5,
    "yes": True,
    "no": False,
    "nothing": None,
    "xs": [3, 1, 2],
    "e": [],
    "d": {"b": 1, "a": "two", "c": [1, 2, {"x": None}]},
    "items": [{"name": "B", "n": 2}, {"name": "a", "n": 1}, {"name": "c", "n": 2}],
    "words": ["apple", "Banana", "cherry"],
}
