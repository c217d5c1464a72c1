// Keeps the page of a run fresh while it runs: fetches the live part, keeps what the reader opened or typed.
"use strict";

(function () {
  const frame = document.querySelector("[data-live-url]");
  if (!frame) return;
  const pause = Number(frame.dataset.liveSeconds || "2") * 1000;

  openTarget();
  window.addEventListener("hashchange", openTarget);
  if (!hasEnded()) window.setTimeout(refresh, pause);

  async function refresh() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", refresh, { once: true });
      return;
    }
    try {
      const answer = await fetch(frame.dataset.liveUrl, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      replace(await answer.text());
      if (hasEnded()) return;
      window.setTimeout(refresh, pause);
    } catch (error) {
      const sign = frame.querySelector("[data-live-sign]");
      if (sign) {
        sign.textContent = "not live: the page cannot reach the server";
        sign.classList.add("is-off");
      }
      window.setTimeout(refresh, pause * 5);
    }
  }

  function replace(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-live-part]");
    if (!fresh) throw new Error("no live part");
    const state = new Map();
    frame.querySelectorAll("details[data-key]").forEach((details) => state.set(details.dataset.key, details.open));
    const scrolls = new Map();
    frame.querySelectorAll("[data-live-scroll]").forEach((box) =>
      scrolls.set(box.dataset.liveScroll, [box.scrollLeft, box.scrollTop]));
    fresh.querySelectorAll("details[data-key]").forEach((details) => {
      if (state.has(details.dataset.key)) details.open = state.get(details.dataset.key);
    });
    // A form that somebody is filling in stays the same element.
    fresh.querySelectorAll("[data-live-keep]").forEach((part) => {
      const old = frame.querySelector(`[data-live-keep="${part.dataset.liveKeep}"]`);
      if (old && old.contains(document.activeElement)) {
        const input = part.querySelector("input[name=reason]");
        const typed = old.querySelector("input[name=reason]");
        if (input && typed) input.setAttribute("value", typed.value);
        part.setAttribute("data-focus", "yes");
      } else if (old) {
        part.replaceWith(document.adoptNode(old));
      }
    });
    frame.replaceChildren(document.adoptNode(fresh));
    frame.querySelectorAll("[data-live-scroll]").forEach((box) => {
      const place = scrolls.get(box.dataset.liveScroll);
      if (place) [box.scrollLeft, box.scrollTop] = place;
    });
    const focused = frame.querySelector("[data-focus] input[name=reason]");
    if (focused) {
      focused.focus();
      focused.setSelectionRange(focused.value.length, focused.value.length);
    }
  }

  function hasEnded() {
    const part = frame.querySelector("[data-live-part]");
    return !part || part.dataset.ended === "yes";
  }

  function openTarget() {
    const id = decodeURIComponent(window.location.hash.slice(1));
    const target = id ? document.getElementById(id) : null;
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView({ block: "center" });
    }
  }
})();
