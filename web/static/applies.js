// What of a form applies, and what is wrong with it so far, while it is filled in. The server says both again.
"use strict";

{
  const CHECK_AFTER_MS = 400;
  const COUNT_AFTER_MS = 900;

  // What is chosen or typed under a name; what is hidden because it does not apply says nothing.
  function said(form, name) {
    return [...form.elements].filter((place) => place.name === name && place.type !== "hidden" && !place.closest("[data-when][hidden]"))
      .filter((place) => !["radio", "checkbox"].includes(place.type) || place.checked)
      .map((place) => place.value);
  }

  // A condition as `casework.conditions` has it: every path has one of its values; 是 and 否 are true and false.
  function holds(form, condition) {
    return Object.entries(JSON.parse(condition)).every(([path, values]) => {
      const here = said(form, path);
      return values.some((value) => (value === true ? here.includes("yes") : value === false ? here.includes("no") : here.includes(String(value))));
    });
  }

  // [data-when]: shown where its condition holds. One may hang on another, so until nothing changes any more.
  function show(form) {
    const parts = [...form.querySelectorAll("[data-when]")];
    for (let changed = true, times = 0; changed && times < 8; times += 1) {
      changed = false;
      for (const part of parts) {
        const hidden = !holds(form, part.dataset.when);
        if (part.hidden !== hidden) { part.hidden = hidden; changed = true; }
      }
    }
  }

  function conditions(form) {
    form.addEventListener("input", () => show(form));
    form.addEventListener("change", (event) => {
      show(form);
      // details[data-opens]: opened when somebody chooses what it is for; closed by hand alone.
      for (const part of form.querySelectorAll("details[data-opens]")) {
        if (Object.keys(JSON.parse(part.dataset.opens)).includes(event.target.name) && holds(form, part.dataset.opens)) part.open = true;
      }
    });
    show(form);
    for (const part of form.querySelectorAll("[data-noscript]")) part.hidden = true;
  }

  // form[data-check=URL]: asks what is wrong with the fields that were left, and puts each reason in its place.
  function checks(form) {
    const touched = new Set();
    const told = new Set();
    let waiting = 0;
    let asked = 0;

    function put(id, why) {
      const field = document.getElementById(id);
      const box = field?.closest("td, .field, .rows-field");
      if (!box) return;
      document.getElementById(`${id}-why`)?.remove();
      box.classList.toggle("field-bad", Boolean(why));
      if (why) {
        // After its label or legend, where the server would have put it.
        const label = box.querySelector(":scope > label, :scope > legend, :scope > .legend");
        if (label) label.after(why); else box.prepend(why);
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", why.id);
      } else {
        field.removeAttribute("aria-invalid");
        field.removeAttribute("aria-describedby");
      }
    }

    async function ask() {
      const content = new FormData(form);
      for (const [name, value] of [...content]) if (value instanceof File) content.delete(name);
      for (const name of touched) content.append("touched", name);
      const turn = (asked += 1);
      try {
        const answer = await fetch(form.dataset.check, { method: "POST", body: content });
        if (!answer.ok || answer.redirected || turn !== asked) return;
        const part = document.createElement("template");
        part.innerHTML = await answer.text();
        const before = document.getElementById("before");
        if (before) before.replaceChildren(...part.content.querySelector("[data-before]").childNodes);
        for (const cap of before?.querySelectorAll("[data-key] kbd") ?? []) cap.textContent = `Alt+${cap.textContent}`;
        const found = new Map([...part.content.querySelectorAll("[data-at]")].map((one) => [one.dataset.at, one.firstElementChild]));
        // How much is open in each section: [data-told=ID], in the list on the left and wherever it is said.
        for (const one of part.content.querySelectorAll("[data-section]")) {
          for (const place of document.querySelectorAll(`[data-told="${one.dataset.section}"]`)) {
            place.textContent = one.textContent;
            if (place.matches("small")) place.className = one.className;
          }
        }
        for (const id of told) if (!found.has(id)) { put(id, null); told.delete(id); }
        for (const [id, why] of found) { put(id, why); told.add(id); }
      } catch {
        // The station is being restarted; saving says it all again.
      }
    }

    const soon = (after) => { clearTimeout(waiting); waiting = setTimeout(ask, after); };
    // While one types nothing is said of the field, which was not left yet; what is still open is counted anew.
    form.addEventListener("input", (event) => { if (event.target.type !== "file") soon(COUNT_AFTER_MS); });
    form.addEventListener("change", (event) => {
      if (!event.target.name || event.target.type === "file") return;
      touched.add(event.target.name);
      soon(CHECK_AFTER_MS);
    });
    form.addEventListener("submit", () => { asked += 1; clearTimeout(waiting); });
  }

  for (const form of document.querySelectorAll("form")) if (form.querySelector("[data-when], [data-opens]")) conditions(form);
  for (const form of document.querySelectorAll("form[data-check]")) checks(form);
}
