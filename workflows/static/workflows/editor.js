// Makes a text area an editor: line numbers, tab key, marked lines, and a check while one writes.
"use strict";

(function () {
  const form = document.querySelector("form[data-editor]");
  if (!form) return;
  const frame = form.querySelector("[data-editor-frame]");
  const text = frame.querySelector("textarea");
  const gutter = element("div", "ae-gutter");
  const marks = element("div", "ae-marks");
  gutter.setAttribute("aria-hidden", "true");
  marks.setAttribute("aria-hidden", "true");
  gutter.append(element("div", "ae-moving"));
  marks.append(element("div", "ae-moving"));
  frame.prepend(gutter, marks);
  frame.classList.add("is-enhanced");

  const status = form.querySelector("[data-editor-status]");
  const list = form.querySelector("[data-editor-problems]");
  const preview = form.querySelector("[data-editor-preview]");
  let wrong = new Map();
  let waiting = 0;
  let latest = 0;

  form.querySelectorAll("li[data-line]").forEach((item) => {
    if (item.dataset.line) wrong.set(Number(item.dataset.line), item.textContent.trim());
    makeJump(item);
  });
  draw();
  text.addEventListener("input", () => { draw(); checkSoon(); });
  text.addEventListener("scroll", follow);
  text.addEventListener("keydown", onKey);
  if (form.dataset.checkUrl) check();

  function draw() {
    const count = text.value.split("\n").length;
    const numbers = [];
    const stripes = [];
    for (let line = 1; line <= count; line += 1) {
      const number = element("div", wrong.has(line) ? "is-wrong" : "");
      number.textContent = String(line);
      if (wrong.has(line)) number.title = wrong.get(line);
      numbers.push(number);
      const stripe = element("div", wrong.has(line) ? "is-wrong" : "");
      stripes.push(stripe);
    }
    gutter.firstElementChild.replaceChildren(...numbers);
    marks.firstElementChild.replaceChildren(...stripes);
    follow();
  }

  function follow() {
    const shift = `translateY(${-text.scrollTop}px)`;
    gutter.firstElementChild.style.transform = shift;
    marks.firstElementChild.style.transform = shift;
  }

  function onKey(event) {
    if (event.key === "Tab" && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      indent(event.shiftKey);
    } else if (event.key === "Escape") {
      text.blur(); // the way out for who moves by keyboard
    } else if (event.key === "Enter" && !event.isComposing) {
      const before = text.value.slice(0, text.selectionStart);
      const current = before.slice(before.lastIndexOf("\n") + 1);
      const lead = current.match(/^ */)[0] + (/:\s*$/.test(current) ? "  " : "");
      if (lead) {
        event.preventDefault();
        insert("\n" + lead);
      }
    }
  }

  function indent(isBack) {
    const start = text.value.lastIndexOf("\n", text.selectionStart - 1) + 1;
    const end = text.selectionEnd;
    if (!isBack && text.selectionStart === end) {
      insert("  ");
      return;
    }
    const block = text.value.slice(start, end);
    const moved = isBack ? block.replace(/^ {1,2}/gm, "") : block.replace(/^/gm, "  ");
    text.setSelectionRange(start, end);
    insert(moved);
    text.setSelectionRange(start, start + moved.length);
  }

  // execCommand keeps the browser's undo; where it is gone, the text is set directly.
  function insert(value) {
    if (!document.execCommand("insertText", false, value)) {
      text.setRangeText(value, text.selectionStart, text.selectionEnd, "end");
      text.dispatchEvent(new Event("input"));
    }
  }

  function checkSoon() {
    if (!form.dataset.checkUrl) return;
    window.clearTimeout(waiting);
    waiting = window.setTimeout(check, 400);
  }

  async function check() {
    const turn = (latest += 1);
    const body = new FormData();
    body.set("source", text.value);
    body.set("csrfmiddlewaretoken", form.querySelector("[name=csrfmiddlewaretoken]").value);
    try {
      const answer = await fetch(form.dataset.checkUrl, { method: "POST", body, credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const result = await answer.json();
      if (turn === latest) show(result);
    } catch (error) {
      if (turn === latest) say("", "Not checked: the server did not answer. Publishing checks it, too.");
    }
  }

  function show(result) {
    wrong = new Map();
    result.problems.forEach((problem) => {
      if (problem.line) wrong.set(problem.line, `${problem.message} ${problem.hint}`.trim());
    });
    draw();
    if (result.problems.length) {
      const number = result.problems.length;
      say("is-wrong", number === 1 ? "1 problem" : `${number} problems`);
      const items = element("ul", "ae-problems");
      items.append(...result.problems.map(item));
      list.replaceChildren(items);
      preview.classList.add("is-stale");
      return;
    }
    say("is-right", `Ready to publish as ${result.name}: ${result.steps} ${result.steps === 1 ? "step" : "steps"}`);
    const none = element("p", "ae-empty");
    none.textContent = "None.";
    list.replaceChildren(none);
    preview.classList.remove("is-stale");
    const drawing = new DOMParser().parseFromString(result.graph, "image/svg+xml").documentElement;
    preview.replaceChildren(document.importNode(drawing, true));
  }

  function item(problem) {
    const entry = element("li", "");
    entry.dataset.line = problem.line || "";
    const place = element("span", "ae-place");
    if (problem.line) place.append(`line ${problem.line} `);
    const path = element("code", "");
    path.textContent = problem.path;
    place.append(path);
    const message = element("strong", "");
    message.textContent = problem.message;
    entry.append(place, message);
    if (problem.hint) {
      const hint = element("em", "");
      hint.textContent = problem.hint;
      entry.append(hint);
    }
    makeJump(entry);
    return entry;
  }

  function makeJump(entry) {
    const line = Number(entry.dataset.line);
    if (!line) return;
    entry.classList.add("is-jump");
    entry.tabIndex = 0;
    entry.addEventListener("click", () => jump(line));
    entry.addEventListener("keydown", (event) => { if (event.key === "Enter") jump(line); });
  }

  function jump(line) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, part) => sum + part.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = Math.max(0, (line - 8) * parseFloat(getComputedStyle(text).lineHeight));
  }

  function say(kind, message) {
    if (!status) return;
    status.className = `ae-editor-status ${kind}`;
    status.textContent = message;
  }

  function element(name, kind) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    return made;
  }
})();
