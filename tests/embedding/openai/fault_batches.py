"""Files and batches of a service that misbehaves as it is told."""

import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Plan:
    """What becomes of a batch.

    Attributes
    ----------
    status : in the end
    n_looks : before the end
    fails : Callable
        Returns (status, code, message) for a text that fails; None for one that does not.
    skips : Callable
        Whether a text is not got to, where the status is "expired" or "cancelled".
    alter : changes the items of each answer
    errors : codes of what is wrong with the whole, where the status is "failed"
    """

    status: str = "completed"
    n_looks: int = 2
    fails: Callable = lambda _: None
    skips: Callable = lambda _: False
    alter: Callable | None = None
    errors: tuple = ()


class Batches:
    """The part of the service that has to do with files and batches.

    Attributes
    ----------
    plans : list of Plan
        Of the next batches; further ones go well.
    call_faults : dict of list of Fault
        Of the next calls, by method and kind: "POST batches", "GET batch", "GET content", …
    calls : Counter
        By method and kind.
    most_enqueued : int or None
        Tokens that may wait in batches.
    """

    def __init__(self):
        self.plans, self.call_faults, self.calls = [], defaultdict(list), Counter()
        self.files, self.batches, self.most_enqueued = {}, {}, None
        self._numbers = itertools.count(1)

    def others(self, method, path, query, headers, raw):
        """Answer whatever is not an embedding: (status, content, fault)."""
        parts = path.removeprefix("/v1/").split("/")
        kind = " ".join([method, *self._kind(parts)])
        with self.lock:
            self.calls[kind] += 1
            fault = self.call_faults[kind].pop(0) if self.call_faults[kind] else self.no_fault
            if fault.status != 200:
                return (
                    fault.status,
                    {"error": {"message": fault.message, "code": fault.code}},
                    fault,
                )
            return *self._do(kind, parts, parse_qs(query), headers, raw), fault

    @staticmethod
    def _kind(parts):
        if len(parts) == 1:
            return parts
        return [parts[2]] if len(parts) == 3 else [{"files": "file", "batches": "batch"}[parts[0]]]

    def _do(self, kind, parts, query, headers, raw):
        if kind == "POST files":
            return 200, self._uploaded(headers, raw)
        if kind == "POST batches":
            return 200, self._begun(json.loads(raw))
        if kind == "GET batches":
            return 200, self._page(query)
        known = self.files if parts[0] == "files" else self.batches
        if parts[1] not in known:
            return 404, {"error": {"message": f"no {parts[1]}", "code": None}}
        if kind == "GET content":
            return 200, self.files[parts[1]]
        if kind == "GET file":
            return 200, self._file(parts[1])
        batch = self.batches[parts[1]]
        if kind == "GET batch":
            self._work(batch)
        elif kind == "POST cancel" and batch["status"] in {"validating", "in_progress"}:
            batch["status"] = "cancelling"
        return 200, self._shown(batch)

    def _id(self, kind):
        return f"{kind}-{next(self._numbers)}"

    def _uploaded(self, headers, raw):
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser().parsebytes(head + raw).get_payload()
        fields = {part.get_param("name", header="content-disposition"): part for part in form}
        assert fields["purpose"].get_payload() == "batch"
        return self._file(self._keep(fields["file"].get_payload(decode=True)))

    def _keep(self, content):
        id_ = self._id("file")
        self.files[id_] = content
        return id_

    def _file(self, id_):
        size = len(self.files[id_])
        return {"id": id_, "object": "file", "bytes": size, "created_at": 0, "purpose": "batch"}

    def _begun(self, asked):
        assert (asked["endpoint"], asked["completion_window"]) == (f"/v1{self.endpoint}", "24h")
        batch = {
            "id": self._id("batch"),
            "object": "batch",
            "created_at": int(time.time()),
            "status": "validating",
            **asked,
            "_plan": self.plans.pop(0) if self.plans else Plan(),
            "_looks": 0,
            "_requests": [
                json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()
            ],
        }
        assert len({request["custom_id"] for request in batch["_requests"]}) == len(
            batch["_requests"]
        )
        if self.most_enqueued is not None:
            waiting = [
                b for b in self.batches.values() if b["status"] in {"validating", "in_progress"}
            ]
            if sum(map(self._size, [*waiting, batch])) > self.most_enqueued:
                batch["_plan"] = Plan("failed", n_looks=0, errors=("token_limit_exceeded",))
        self.batches[batch["id"]] = batch
        return self._shown(batch)

    def _size(self, batch):
        return sum(self.billed(request["body"]) for request in batch["_requests"])

    def _page(self, query):
        batches = [self._shown(batch) for batch in reversed(self.batches.values())]
        after = query.get("after", [None])[0]
        start = 1 + [b["id"] for b in batches].index(after) if after else 0
        page = batches[start : start + 2]  # small, so that there are several
        return {"object": "list", "data": page, "has_more": start + 2 < len(batches)}

    def _work(self, batch):
        plan = batch["_plan"]
        batch["_looks"] += 1
        if batch["status"] == "cancelling":
            self._finish(batch, "cancelled")
        elif batch["status"] in {"validating", "in_progress"}:
            batch["status"] = "in_progress"
            if batch["_looks"] > plan.n_looks:
                self._finish(batch, plan.status)

    def _finish(self, batch, status):
        batch["status"], plan = status, batch["_plan"]
        if status == "failed":
            errors = [{"code": code, "message": code, "line": None} for code in plan.errors]
            batch["errors"] = {"object": "list", "data": errors}
            return
        answers, errors = [], []
        for request in batch["_requests"]:
            [text] = self.texts_of(request["body"])
            line = {"id": self._id("line"), "custom_id": request["custom_id"], "error": None}
            if status != "completed" and plan.skips(text):
                error = {"code": f"batch_{status}", "message": "not got to in time"}
                errors.append({**line, "response": None, "error": error})
            elif failure := plan.fails(text):
                body = {"error": dict(zip(("code", "message"), failure[1:], strict=True))}
                errors.append({**line, "response": {"status_code": failure[0], "body": body}})
            else:
                body = self.answer(request["body"], [text], plan.alter)
                answers.append({**line, "response": {"status_code": 200, "body": body}})
                self.paid[text] += 1
        counts = {"completed": len(answers), "failed": len(errors)}
        batch["request_counts"] = {"total": len(batch["_requests"]), **counts}
        for name, lines in (("output_file_id", answers[::-1]), ("error_file_id", errors)):
            if lines:
                batch[name] = self._keep("\n".join(map(json.dumps, lines)).encode() + b"\n")

    @staticmethod
    def _shown(batch):
        return {name: value for name, value in batch.items() if not name.startswith("_")}
