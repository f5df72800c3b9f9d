// Small improvements of pages that work without them: the line's state, keys for those who type all day.
"use strict";

// The strip under the head tells of the line. It is replaced only when its words have changed, so that nobody who
// listens to the page is told the same thing every few seconds.
function watchLine() {
  const place = document.getElementById("line-strip");
  if (!place) return;
  setInterval(async () => {
    if (document.hidden) return;
    const strip = document.getElementById("line-strip");
    try {
      const answer = await fetch(strip.dataset.refresh, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("line-strip");
      if (fresh && fresh.textContent.trim() !== strip.textContent.trim()) strip.replaceWith(fresh);
    } catch {
      // The station itself is being restarted: the page stays as it is and asks again.
    }
  }, 3000);
}

// A part of a page that shows how something is getting on: asked again until it has changed, then replaced.
function watchParts() {
  for (const part of document.querySelectorAll("[data-live]")) {
    setInterval(async () => {
      if (document.hidden) return;
      const here = document.getElementById(part.id);
      try {
        const answer = await fetch(here.dataset.live);
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
        if (fresh && fresh.innerHTML !== here.innerHTML) here.replaceWith(fresh);
      } catch {
        // As above.
      }
    }, 3000);
  }
}

// Search that answers while one types; without it the same form is sent with Enter.
function searchWhileTyping() {
  for (const input of document.querySelectorAll("input[data-search]")) {
    const place = document.getElementById(input.dataset.results);
    let waiting = 0;
    let asked = "";
    const ask = async () => {
      const said = input.value.trim();
      if (said === asked || input.composing) return;
      asked = said;
      const answer = await fetch(`${input.dataset.search}?part=1&q=${encodeURIComponent(said)}`);
      if (answer.ok && asked === said) place.innerHTML = await answer.text();
    };
    input.addEventListener("compositionstart", () => { input.composing = true; });
    input.addEventListener("compositionend", () => { input.composing = false; ask(); });
    input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); });
  }
}

// Enter goes on to the next field, a key saves, a key parks. While an input method composes, its keys are its own.
function keys() {
  const form = document.querySelector("form[data-keys]");
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const go = document.querySelector(`[data-key="${event.key.toLowerCase()}"]`);
    const typing = event.target.matches("input, select, textarea");
    if (go && !typing && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      go.click();
      return;
    }
    if (!form) return;
    if (event.key === "F8") {
      event.preventDefault();
      form.querySelector("[data-park]")?.click();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.querySelector("[data-save]")?.click();
    } else if (event.altKey && /^[1-9]$/.test(event.key)) {
      const section = document.getElementById(`s${event.key}`);
      if (!section) return;
      event.preventDefault();
      section.scrollIntoView();
      section.querySelector("input:not([type=hidden]), select, textarea")?.focus();
    } else if (event.key === "Enter" && event.target.matches("input:not([type=file]):not([type=submit]), select")) {
      event.preventDefault();
      const fields = [...form.querySelectorAll("input:not([type=hidden]), select, textarea, button")].filter(
        (field) => !field.disabled && field.offsetParent !== null && !(field.type === "radio" && !field.checked),
      );
      fields[fields.indexOf(event.target) + 1]?.focus();
    }
  });
}

// What was typed is kept as a draft a moment after the typing stops.
function keepDraft() {
  const form = document.querySelector("form[data-draft]");
  if (!form) return;
  const told = document.getElementById("draft-told");
  let waiting = 0;
  let sending = false;
  const keep = async () => {
    if (sending) return;
    const content = new FormData(form);
    for (const [name, value] of [...content]) if (value instanceof File) content.delete(name);
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body: content });
      if (answer.ok && told) told.textContent = await answer.text();
    } catch {
      if (told) told.textContent = "本站程序正在重启，写的内容还在页面上";
    }
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(keep, 800); });
  form.addEventListener("submit", () => { sending = true; clearTimeout(waiting); });
}

// Reads the number and phone back in large type while they are typed: most wrong phones are caught by ear.
function readBack() {
  const grouped = { id: [6, 4, 4, 4], phone: [3, 4, 4] };
  for (const place of document.querySelectorAll("[data-reads]")) {
    const input = document.getElementById(place.dataset.reads);
    if (!input) continue;
    const say = () => {
      const compact = input.value.replace(/\s/g, "");
      const sizes = grouped[place.dataset.as];
      let at = 0;
      const parts = sizes && compact.length === sizes.reduce((a, b) => a + b)
        ? sizes.map((size) => compact.slice(at, (at += size)))
        : [sizes ? compact : input.value];
      place.textContent = parts.join(" ") || "—";
    };
    input.addEventListener("input", say);
  }
}

// A photo is sent as soon as it is chosen, so that it is safe before the rest is typed.
function sendFiles() {
  for (const input of document.querySelectorAll("input[type=file][data-send]")) {
    input.addEventListener("change", () => input.form.querySelector(`[value="${input.dataset.send}"]`)?.click());
  }
}

document.addEventListener("DOMContentLoaded", () => {
  watchLine();
  watchParts();
  searchWhileTyping();
  keys();
  keepDraft();
  readBack();
  sendFiles();
  document.getElementById("errors")?.focus();
  for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
});
