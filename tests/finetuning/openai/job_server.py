"""A fine-tuning service on loopback that really trains: what it makes answers as it has learnt.

It speaks the protocol of OpenAI's files, fine-tuning jobs (events, checkpoints, result files) and
chat completions, as far as the package uses it. A model is scikit-learn's logistic regression over
TF-IDF of what was uploaded, so better labels make a better model here, too.
"""

import base64
import json
from collections import Counter
from dataclasses import dataclass
from email.parser import BytesParser
from urllib.parse import parse_qs

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from embedding.openai.fault_server import KEY, FaultServer


@dataclass(frozen=True)
class Plan:
    """What becomes of a job: its status in the end, the looks before, and what is said of it."""

    status: str = "succeeded"
    n_looks: int = 2
    error: str = "told to fail"


class JobServer(FaultServer):
    """Serves until the end of a ``with`` block.

    Attributes
    ----------
    plans : list of Plan
        Of the next jobs; further ones go well.
    call_faults, calls : of calls by method and kind: "POST files", "POST jobs", "GET job", …
    keeps_metadata : whether jobs are shown with it
    say : what a model answers, of the class that it means
    jobs, files, models : what it has
    asked : Counter of (model, text)
    """

    def __init__(self):
        super().__init__()
        self.jobs, self.models, self.asked = {}, {}, Counter()
        self.keeps_metadata = True
        self.say = lambda name: name

    def others(self, method, path, query, headers, raw):
        parts = path.removeprefix("/v1/").split("/")
        kind = f"{method} {self._kind_of(parts)}"
        with self.lock:
            self.calls[kind] += 1
            fault = self.call_faults[kind].pop(0) if self.call_faults[kind] else self.no_fault
            if headers["Authorization"] != f"Bearer {KEY}":
                return 401, _error(f"Incorrect API key: {headers['Authorization']}"), fault
            if fault.status != 200:
                return fault.status, _error(fault.message, fault.code), fault
            status, content = self._answered(kind, parts, parse_qs(query), headers, raw)
            return status, content, fault

    @staticmethod
    def _kind_of(parts):
        if parts[:2] == ["fine_tuning", "jobs"]:
            return {2: "jobs", 3: "job"}.get(len(parts)) or parts[3]
        if parts[0] == "files":
            return {1: "files", 2: "file"}.get(len(parts)) or parts[2]
        return parts[-1]

    def _answered(self, kind, parts, query, headers, raw):
        if parts[0] == "chat":
            return self._said(json.loads(raw))
        known, named = (self.files, parts[1:2]) if parts[0] == "files" else (self.jobs, parts[2:3])
        if named and named[0] not in known:
            return 404, _error(f"no {named[0]}")
        match kind:
            case "POST files":
                return 200, self._file_of(self._taken(headers, raw))
            case "GET files":
                return 200, _listed([self._file_of(id_) for id_ in self.files])
            case "GET content":
                return 200, self.files[parts[1]]["content"]
            case "POST jobs":
                return self._begin(json.loads(raw))
            case "GET jobs":
                return 200, self._page_of_jobs(query)
        return 200, self._of_job(kind, self.jobs[parts[2]])

    def _of_job(self, kind, job):
        if kind == "GET events":
            said = {"id": "e", "object": "fine_tuning.job.event", "level": "info", "created_at": 0}
            return _listed([{**said, "message": f"looked at {job['_looks']} times"}])
        if kind == "GET checkpoints":
            return _listed(job["_checkpoints"])
        if kind == "POST cancel":
            job["status"] = "cancelled"
        else:
            self._advance(job)
        return self._job(job)

    def _taken(self, headers, raw):
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser().parsebytes(head + raw).get_payload()
        fields = {part.get_param("name", header="content-disposition"): part for part in form}
        assert fields["purpose"].get_payload() == "fine-tune"
        return self._kept(fields["file"].get_payload(decode=True), fields["file"].get_filename())

    def _kept(self, content, name):
        id_ = self._id("file")
        self.files[id_] = {"content": content, "filename": name}
        return id_

    def _file_of(self, id_):
        file = self.files[id_]
        return {
            "id": id_,
            "object": "file",
            "bytes": len(file["content"]),
            "created_at": 0,
            "filename": file["filename"],
            "purpose": "fine-tune",
            "status": "processed",
        }

    def _begin(self, asked):
        if asked["training_file"] not in self.files:
            return 400, _error("no such training_file", param="training_file")
        hyperparameters = asked["method"]["supervised"]["hyperparameters"]
        job = {
            "id": self._id("ftjob"),
            "object": "fine_tuning.job",
            "created_at": 0,
            "error": None,
            "fine_tuned_model": None,
            "finished_at": None,
            "hyperparameters": hyperparameters,
            "organization_id": "org",
            "result_files": [],
            "status": "validating_files",
            "trained_tokens": None,
            "validation_file": None,
            **asked,
            "_looks": 0,
            "_plan": self.plans.pop(0) if self.plans else Plan(),
            "_checkpoints": [],
        }
        self.jobs[job["id"]] = job
        return 200, self._job(job)

    def _page_of_jobs(self, query):
        jobs = [self._job(job) for job in reversed(self.jobs.values())]
        after = query.get("after", [None])[0]
        start = 1 + [of["id"] for of in jobs].index(after) if after else 0
        return {**_listed(jobs[start : start + 2]), "has_more": start + 2 < len(jobs)}

    def _advance(self, job):
        plan = job["_plan"]
        job["_looks"] += 1
        if job["status"] not in {"validating_files", "queued", "running"}:
            return
        job["status"] = "running"
        if job["_looks"] > plan.n_looks:
            job["status"] = plan.status
            if plan.status == "succeeded":
                self._train(job)
            elif plan.status == "failed":
                job["error"] = {"code": "failed", "message": plan.error, "param": None}

    def _train(self, job):
        lines = self.files[job["training_file"]]["content"].decode().splitlines()
        messages = [json.loads(line)["messages"] for line in lines]
        texts, labels = ([of[i]["content"] for of in messages] for i in (-2, -1))
        name = f"ft:{job['model']}:{job['suffix']}:{job['id']}"
        model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0))
        self.models[name] = model.fit(texts, labels)
        csv = "step,train_loss,train_accuracy\n1,0.9,0.5\n2,0.4,0.8\n"
        job["result_files"] = [self._kept(base64.b64encode(csv.encode()), "step_metrics.csv")]
        job["trained_tokens"] = job["hyperparameters"]["n_epochs"] * sum(map(len, texts)) // 4
        job["fine_tuned_model"] = name
        job["_checkpoints"] = [
            {
                "id": f"ckpt-{step}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": 0,
                "fine_tuning_job_id": job["id"],
                "fine_tuned_model_checkpoint": f"{name}:{step}",
                "step_number": step,
                "metrics": {"step": step, "train_loss": 1 / step},
            }
            for step in (2, 1)
        ]

    def _said(self, asked):
        if asked["model"] not in self.models:
            return 404, _error("no such model", "model_not_found")
        assert asked["temperature"] == 0
        text = asked["messages"][-1]["content"]
        self.asked[asked["model"], text] += 1
        [name] = self.models[asked["model"]].predict([text])
        message = {"role": "assistant", "content": self.say(name), "refusal": None}
        return 200, {
            "id": "chat",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        }

    def _job(self, job):
        shown = {name: of for name, of in job.items() if not name.startswith("_")}
        if not self.keeps_metadata:
            del shown["metadata"]
        return shown


def _listed(items):
    return {"object": "list", "data": items, "has_more": False}


def _error(message, code=None, param=None):
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
