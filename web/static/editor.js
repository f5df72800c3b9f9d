// An editor's page: what is not saved is not left by mistake, and a preview follows the typing. Both by buttons without.
"use strict";

{
  const PREVIEW_AFTER_MS = 700;

  // form[data-guard]: leaving asks first, once something was typed (or at once, for what came back unsaved: "dirty").
  function guard(form) {
    let dirty = form.dataset.guard === "dirty";
    const told = document.getElementById("draft-told");
    form.addEventListener("input", () => {
      dirty = true;
      if (told) told.textContent = "这一页还没有存";
    });
    form.addEventListener("submit", (event) => {
      // A preview in another window saves nothing.
      if (event.submitter?.getAttribute("formtarget") !== "_blank") dirty = false;
    });
    addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  }

  // form[data-preview=URL]: the answer is put into #preview. Sent as one text, since a long form has many parts.
  function preview(form) {
    const place = document.getElementById("preview");
    let waiting = 0;
    let asked = 0;
    const ask = async () => {
      const body = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
      body.append("part", "1");
      const turn = (asked += 1);
      try {
        const answer = await fetch(form.dataset.preview, { method: "POST", body });
        // Signed out meanwhile, or a newer question is on its way: what stands there stays.
        if (answer.ok && !answer.redirected && turn === asked) place.innerHTML = await answer.text();
      } catch {
        // Being restarted: the next letter asks again.
      }
    };
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      if (!event.isComposing) waiting = setTimeout(ask, PREVIEW_AFTER_MS);
    });
  }

  // Sections that were unfolded stay so when the page comes again; [data-unfold] opens or folds all of them.
  function folds(form) {
    const all = [...form.querySelectorAll("details.sec")];
    const name = `unfolded ${location.pathname}`;
    const kept = (sessionStorage.getItem(name) ?? "").split(" ");
    for (const one of all) {
      if (kept.includes(one.querySelector("section").id)) one.open = true;
      one.addEventListener("toggle", () => {
        sessionStorage.setItem(name, all.filter((other) => other.open).map((other) => other.querySelector("section").id).join(" "));
        say();
      });
    }
    const button = document.querySelector("[data-unfold]");
    const say = () => { button.textContent = all.every((one) => one.open) ? "全部收起" : "全部展开"; };
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const open = !all.every((one) => one.open);
      for (const one of all) one.open = open;
    });
    say();
  }

  for (const form of document.querySelectorAll("form:has(details.sec)")) folds(form);
  for (const form of document.querySelectorAll("form[data-guard]")) guard(form);
  for (const form of document.querySelectorAll("form[data-preview]")) preview(form);
}
