"""A chat service on loopback that misbehaves as it is told, and keeps books: see `FaultServer`.

It names the class that the text names, or the first.
"""

import json
import math

from embedding.openai.fault_server import FaultServer

CLASSES = ("billing", "login", "shipping")


class ChatServer(FaultServer):
    """Serves until the end of a ``with`` block.

    Attributes
    ----------
    say : what is answered to a text, of the class that is meant: a class, or a whole message
    lacks : names of what requests must not have, each status 400
    names_it : whether such an error says which it was
    has_logprobs, has_usage, takes_n : whether answers have them
    """

    endpoint = "/chat/completions"

    def __init__(self):
        super().__init__()
        self.say = lambda _, label: label
        self.lacks, self.names_it = set(), True
        self.has_logprobs = self.has_usage = self.takes_n = True

    @staticmethod
    def texts_of(body):
        quoted = body["messages"][-1]["content"].rpartition("\n\nText: ")[2]
        return [json.loads(quoted)]

    def billed(self, body):
        """Return the tokens of the question and of its answers."""
        return sum(self.tokens_of(body))

    def tokens_of(self, body):
        said = "".join(message["content"] for message in body["messages"])
        return len(said) * 3 // 10 + 4 * len(body["messages"]), 7 * self._n(body)

    def _n(self, body):
        return body.get("n", 1) if self.takes_n else 1

    def _judge(self, body, texts, fault):
        form = body.get("response_format", {}).get("type")
        refused = sorted((body.keys() | {form}) & self.lacks)
        if refused and fault.status == 200:
            name = {"json_schema": "response_format", "json_object": "response_format"}
            param = name.get(refused[0], refused[0]) if self.names_it else None
            error = {"message": "told to refuse it", "param": param, "code": None, "type": "x"}
            return 400, {"error": error}
        return super()._judge(body, texts, fault)

    def answer(self, body, texts, _=None):
        [text] = texts
        meant = next((name for name in CLASSES if name in text), CLASSES[0])
        choices = [self._choice(text, meant, body) for _ in range(self._n(body))]
        prompt, completion = self.tokens_of(body)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        answer = {"object": "chat.completion", "model": body["model"], "choices": choices}
        return {**answer, **({"usage": usage} if self.has_usage else {})}

    def _choice(self, text, meant, body):
        said = self.say(text, meant)
        if not isinstance(said, str):
            return {"index": 0, "finish_reason": "stop", "message": said}
        content = json.dumps({"label": said})
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": content}}
        if self.has_logprobs and body.get("logprobs"):
            choice["logprobs"] = {"content": tokens_of(said)}
        return choice


def tokens_of(said, others=(("b", 0.1), ("l", 0.1), ("s", 0.1), ("x", 0.1))):
    """Return the tokens of an answer, its first letter most probable."""
    first = {letter: p for letter, p in others if letter != said[0]}
    return [
        _token('{"label": "'),
        _token(said[0], 1 - sum(first.values()), first),
        _token(said[1:]),
        _token('"}'),
    ]


def _token(text, p=1.0, others=()):
    listed = {text: p, **dict(others)}
    top = [{"token": of, "logprob": math.log(q)} for of, q in listed.items()]
    return {"token": text, "logprob": math.log(p), "top_logprobs": top}
