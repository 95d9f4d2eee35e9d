"use strict";
(() => {
  const { sample, classes, rows, order, then } = JSON.parse(document.getElementById("data").textContent);
  const STORE = `lakewinnow review ${sample}`;
  const NAME = "lakewinnow reviewer";
  const LETTERS = [..."123456789abcefhijklmnopqrtvwxyz"]; // g, d, s and u are decisions
  const HAS_A_KEY_EACH = classes.length <= LETTERS.length;
  const MOST_FOUND = 100;

  const at = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  // A long name may break after these
  const inParts = (name) => name.split(/(?<=[_./:-])/).flatMap((part) => [part, make("wbr")]).slice(0, -1);
  const percent = (prob) => {
    if (prob < 0.01) return "<1%";
    return prob > 0.99 ? ">99%" : `${Math.round(100 * prob)}%`;
  };

  // --- what is stored ---------------------------------------------------------------------------

  // answers: by row id {decision: keep | drop | fix | skip, label: class name or null}
  // past: row ids in the order they were answered in, for undo
  const nothing = () => ({ by: "", blind: false, answers: {}, past: [] });
  let state = nothing();
  let current = 0;
  let active = 0; // of the labels found

  const load = () => {
    try {
      const stored = JSON.parse(localStorage.getItem(STORE) || "null");
      if (stored) state = { ...state, ...stored };
      else state.by = localStorage.getItem(NAME) || "";
    } catch {
      at("no-storage").hidden = false;
    }
  };
  const store = () => {
    try {
      localStorage.setItem(STORE, JSON.stringify(state));
      localStorage.setItem(NAME, state.by);
    } catch {
      at("no-storage").hidden = false;
    }
  };

  const isAnswered = (row) => row.id in state.answers;
  const count = (test) => rows.filter((row) => isAnswered(row) && test(state.answers[row.id])).length;
  const nSkipped = () => count((answer) => answer.decision === "skip");
  const nDecided = () => count((answer) => answer.decision !== "skip");

  // --- answering --------------------------------------------------------------------------------

  const isOver = () => current < 0;
  const nextOpen = (from) => {
    const after = rows.findIndex((row, i) => i >= from && !isAnswered(row));
    return after >= 0 ? after : rows.findIndex((row) => !isAnswered(row));
  };

  const answer = (decision, label, words) => {
    if (isOver()) return;
    const row = rows[current];
    state.answers[row.id] = { decision, label };
    state.past = [...state.past.filter((id) => id !== row.id), row.id];
    store();
    current = nextOpen(current + 1);
    show();
    say(`${words}. ${isOver() ? "That was the last row" : `Row ${current + 1} of ${rows.length}`}`);
  };
  const choose = (k) => {
    if (isOver()) return;
    const isGiven = k === rows[current].given;
    if (isGiven) answer("keep", null, `Kept ${classes[k]}`);
    else answer("fix", classes[k], `Labelled ${classes[k]}`);
  };
  const accept = () => {
    if (!state.blind && !isOver()) choose(rows[current].suggested[0]);
  };
  const undo = () => {
    const id = state.past.pop();
    const index = rows.findIndex((row) => row.id === id);
    if (index < 0) return say("Nothing to take back");
    delete state.answers[id];
    store();
    current = index;
    show();
    say(`Took back the answer to row ${current + 1}`);
  };
  const lookAtSkipped = () => {
    const isSkipped = (id) => state.answers[id].decision === "skip";
    const skipped = state.past.filter((id) => id in state.answers && isSkipped(id));
    skipped.forEach((id) => delete state.answers[id]);
    state.past = state.past.filter((id) => id in state.answers);
    store();
    current = nextOpen(0);
    show();
  };

  const startOver = () => {
    if (!confirm("Forget all answers on this page? What is not saved is lost.")) return;
    state = nothing();
    store();
    at("by").value = "";
    at("blind").checked = false;
    current = nextOpen(0);
    show();
    say("All answers are forgotten");
  };

  // --- saving -----------------------------------------------------------------------------------

  // RFC 4180, as `clean.decisions` takes it; and `input.annotations`, with what was chosen and by whom
  const cell = (value) => (/[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const decisions = () => {
    const lines = rows.filter(isAnswered).flatMap((row) => {
      const { decision, label } = state.answers[row.id];
      const chosen = decision === "keep" ? classes[row.given] : (label ?? "");
      return decision === "skip" ? [] : [[row.id, decision, label ?? "", state.by.trim(), chosen]];
    });
    return [["row_id", "decision", "label", "by", "chosen"], ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
  };
  const save = () => {
    if (!state.by.trim()) {
      at("by").focus();
      return say("Type your name first. It goes with each decision.", true);
    }
    const n = nDecided();
    if (!n) return say("There is nothing to save yet", true);
    const link = document.createElement("a");
    const who = state.by.trim().toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
    link.href = URL.createObjectURL(new Blob([decisions()], { type: "text/csv" }));
    link.download = `decisions-${who}-${sample.slice(0, 6)}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`Saved ${n} decisions as ${link.download}`);
  };

  // --- showing ----------------------------------------------------------------------------------

  const say = (words, isWarning = false) => {
    at("said").textContent = words;
    at("said").className = isWarning ? "warning" : "";
  };
  const showGuess = (id, [k, prob]) => {
    at(id).replaceChildren(...inParts(classes[k]), " ", make("span", "prob", percent(prob)));
  };
  // Who has said what already; quality: share of an annotator's opinions that are right, or null
  const showOpinions = (opinions) => {
    at("opinions").hidden = !opinions.length;
    at("opinions").querySelector("ul").replaceChildren(
      ...opinions.map(([who, k, quality]) => {
        const opinion = make("li");
        const right = quality === null ? "" : `, right on ${percent(quality)}`;
        opinion.append(...inParts(classes[k]), " ", make("span", "prob", `${who}${right}`));
        return opinion;
      }),
    );
  };
  const showNearest = (nearest, given) => {
    at("nearest").hidden = !nearest.length;
    const agreeing = nearest.filter(([k]) => k === given);
    const contradicting = nearest.filter(([k]) => k !== given);
    at("nearest").querySelector("summary span").textContent =
      `Nearest: ${agreeing.length} with the given label, ${contradicting.length} with another`;
    for (const [id, side] of [["agreeing", agreeing], ["contradicting", contradicting]]) {
      at(id).hidden = !side.length;
      at(id).querySelector("ul").replaceChildren(
        ...side.map(([k, text]) => {
          const near = make("li");
          if (k !== given) near.append(make("b", "", classes[k]), " ");
          near.append(make("span", "", text));
          near.dir = "auto";
          return near;
        }),
      );
    }
  };
  const labelButton = (k, key, prob, isGiven) => {
    const button = make("button", isGiven ? "label given" : "label");
    button.type = "button";
    if (prob !== undefined) {
      const bar = make("span", "bar");
      bar.style.width = `${100 * prob}%`;
      button.append(bar);
    }
    const of = make("span", "of");
    of.append(...inParts(classes[k]), isGiven ? " (given)" : "");
    button.append(make("kbd", "", key), of);
    if (prob !== undefined) button.append(make("span", "prob", percent(prob)));
    button.addEventListener("click", () => choose(k));
    return button;
  };
  // The labels that have a key on this row, in the order of the keys
  const keyed = () => {
    if (HAS_A_KEY_EACH) return classes.map((_, k) => k);
    return state.blind || isOver() ? [] : rows[current].likely.map(([k]) => k);
  };
  const found = () => {
    const wanted = at("find").value.trim().toLowerCase().split(/[\s_-]+/).filter(Boolean);
    const matches = (name) => wanted.every((part) => name.toLowerCase().includes(part));
    const starts = (name) => Number(!name.toLowerCase().startsWith(wanted[0] ?? ""));
    const all = classes.map((name, k) => [name, k]).filter(([name]) => matches(name));
    return all.sort(([a], [b]) => starts(a) - starts(b)).map(([, k]) => k);
  };
  const showFound = () => {
    const all = found();
    const some = all.slice(0, MOST_FOUND);
    active = Math.max(0, Math.min(active, some.length - 1));
    const isTyping = at("find").value.trim() !== "";
    at("found").replaceChildren(
      ...some.map((k, i) => {
        const option = make("li");
        option.append(...inParts(classes[k]));
        option.id = `label-${i}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", String(isTyping && i === active));
        option.addEventListener("click", () => choose(k));
        return option;
      }),
    );
    if (isTyping && some.length) {
      at("find").setAttribute("aria-activedescendant", `label-${active}`);
      at(`label-${active}`).scrollIntoView({ block: "nearest" });
    } else at("find").removeAttribute("aria-activedescendant");
    const nMore = all.length - some.length;
    at("more").textContent = nMore ? `and ${nMore} more` : all.length ? "" : "No such label";
  };
  const show = () => {
    document.body.classList.toggle("blind", state.blind);
    at("progress").max = rows.length;
    at("progress").value = nDecided() + nSkipped();
    const skipped = nSkipped() ? `, ${nSkipped()} skipped` : "";
    at("count").textContent = `${nDecided()} of ${rows.length} decided${skipped}`;
    at("undo").disabled = !state.past.length;
    for (const id of ["accept", "keep", "drop", "skip"]) at(id).hidden = isOver();
    at("review").hidden = isOver();
    at("end").hidden = !isOver();
    if (isOver()) return showEnd();
    const row = rows[current];
    at("title").textContent = `Row ${current + 1} of ${rows.length}`;
    at("text").textContent = row.text;
    at("text").scrollTop = 0;
    at("cut").hidden = row.length <= row.text.length;
    at("cut").textContent = `The text goes on: ${row.length.toLocaleString("en")} characters in all.`;
    at("given").replaceChildren(...inParts(classes[row.given]));
    const isGiven = row.suggested[0] === row.given;
    if (isGiven) at("suggested").textContent = `no other: the given label is the likeliest (${percent(row.suggested[1])})`;
    else showGuess("suggested", row.suggested);
    at("keep").hidden = isGiven && !state.blind; // the button before it says the same
    showGuess("predicted", row.predicted);
    at("why").hidden = !row.why;
    at("why").textContent = row.why;
    showOpinions(row.opinions);
    showNearest(row.nearest, row.given);
    at("accept-text").textContent = isGiven ? `keep ${classes[row.given]}` : `change to ${classes[row.suggested[0]]}`;
    const probs = new Map(row.likely);
    at("labels").replaceChildren(
      ...keyed().map((k, i) => labelButton(k, LETTERS[i], probs.get(k), k === row.given)),
    );
    at("find").value = "";
    active = 0;
    if (!HAS_A_KEY_EACH) showFound();
    at("title").focus({ preventScroll: true });
    if (at("title").getBoundingClientRect().top < 0) scrollTo(0, 0);
  };
  const showEnd = () => {
    at("end-title").textContent = nSkipped() ? "Only skipped rows are left" : "All rows are decided";
    at("end-text").textContent =
      `${nDecided()} decided, ${nSkipped()} skipped. Save the decisions, then: ${then}`;
    at("again").hidden = !nSkipped();
    at("end-title").focus();
  };

  // --- keys -------------------------------------------------------------------------------------

  const KEYS = {
    Enter: accept,
    g: () => isOver() || choose(rows[current].given),
    d: () => answer("drop", null, "Dropped"),
    s: () => answer("skip", null, "Skipped"),
    u: undo,
    ArrowLeft: undo,
    "/": () => HAS_A_KEY_EACH || at("find").focus(),
    ".": () => (at("nearest").open = !at("nearest").open),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target;
    if (target.tagName === "INPUT") return;
    if (["BUTTON", "SUMMARY"].includes(target.tagName) && (event.key === "Enter" || event.key === " ")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const label = keyed()[LETTERS.indexOf(key)];
    const act = KEYS[key] ?? (LETTERS.includes(key) && label !== undefined ? () => choose(label) : null);
    if (!act || (event.repeat && key !== "ArrowLeft")) return;
    event.preventDefault();
    act();
  });
  at("find").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      active += step;
      showFound();
    } else if (event.key === "Enter" && at("find").value.trim() && found().length && !event.isComposing) {
      choose(found()[active]);
    } else if (event.key === "Escape") {
      at("find").value = "";
      showFound();
      at("title").focus();
    } else return;
    event.preventDefault();
  });
  at("find").addEventListener("input", () => {
    active = 0;
    showFound();
  });
  at("by").addEventListener("input", () => {
    state.by = at("by").value;
    store();
  });
  at("by").addEventListener("keydown", (event) => {
    if (event.key === "Enter") at(isOver() ? "end-title" : "title").focus();
  });
  at("blind").addEventListener("change", () => {
    state.blind = at("blind").checked;
    store();
    show();
  });
  const onClick = { accept, keep: KEYS.g, drop: KEYS.d, skip: KEYS.s, undo, save, again: lookAtSkipped, reset: startOver };
  for (const [id, act] of Object.entries(onClick)) at(id).addEventListener("click", act);

  // --- start ------------------------------------------------------------------------------------

  load();
  at("by").value = state.by;
  at("blind").checked = state.blind;
  at("sample").textContent = sample;
  at("order").textContent = order;
  at("nearest").open = matchMedia("(min-width: 48rem)").matches;
  at("finder").hidden = HAS_A_KEY_EACH;
  at("labels").classList.toggle("ranked", !HAS_A_KEY_EACH);
  at("keys").textContent = HAS_A_KEY_EACH
    ? "The key beside a label picks it."
    : "1 to 5 pick a likely label, / finds any other one.";
  current = nextOpen(0);
  show();
})();
