// What makes a form quicker to fill in: rows, totals, drafts, reading back. Each works without, by a button.
"use strict";

{
  const KEEP_AFTER_MS = 800;
  const typed = (place) => place.dispatchEvent(new Event("input", { bubbles: true }));

  // Rows of a table: "加一行" copies the blank one, "删" takes one out, and the numbers in front stay in order. The
  // numbers in the names need not: the server reads rows in their order and leaves gaps out.
  function rows(field) {
    const into = field.querySelector("[data-into]");
    const blank = field.querySelector("template");
    const all = () => [...into.querySelectorAll("[data-row]")];
    let next = all().length;
    const count = () => all().forEach((row, at) => { row.querySelector("[data-number]").textContent = at + 1; });
    field.addEventListener("click", (event) => {
      const button = event.target.closest("[data-add], [data-drop]");
      if (!button) return;
      event.preventDefault();
      if (button.matches("[data-add]")) {
        const number = all().length + 1;
        into.insertAdjacentHTML(
          "beforeend", blank.innerHTML.replaceAll("__row__", String(next++)).replaceAll("__number__", String(number)),
        );
        all().at(-1).querySelector("input:not([type=hidden]), select, textarea")?.focus();
      } else {
        const at = all().indexOf(button.closest("[data-row]"));
        all()[at].remove();
        (all()[Math.min(at, all().length - 1)]?.querySelector("[data-drop]") ?? field.querySelector("[data-add]")).focus();
      }
      count();
      typed(field);
    });
  }

  // A total of a column of such a table, in 元; the server reckons it again.
  function total(input) {
    const form = input.form;
    const [, table, column] = /^(.*)\.([^.]+)$/.exec(input.dataset.sums);
    form.addEventListener("input", () => {
      let fen = 0;
      let said = false;
      for (const cell of form.elements) {
        if (!cell.name?.startsWith(`${table}.`) || !cell.name.endsWith(`.${column}`) || !cell.value.trim()) continue;
        const found = /^(\d+)(?:\.(\d{0,2}))?$/.exec(cell.value.replace(/[\s,，元¥￥]/g, ""));
        if (!found) return;
        said = true;
        fen += Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0"));
      }
      input.value = said ? `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}` : "";
    });
  }

  // `form[data-draft]`: what was typed is kept on the station a moment after the typing stops, and when the page is
  // left. One request at a time, so that an older state never comes last.
  function drafts(form) {
    const told = document.getElementById("draft-told");
    const say = (words) => { if (told && told.textContent !== words) told.textContent = words; };
    let waiting = 0;
    let busy = false;
    let again = false;
    let leaving = false;
    const keep = async (last = false) => {
      clearTimeout(waiting);
      waiting = 0;
      if (leaving) return;
      if (busy && !last) { again = true; return; }
      const content = new FormData(form);
      for (const [name, value] of [...content]) if (value instanceof File) content.delete(name);
      busy = true;
      try {
        const answer = await fetch(form.dataset.draft, { method: "POST", body: content, keepalive: last });
        if (answer.redirected) say("登录过期了。请另开一页登录，再回到这里接着写，写的都还在");
        else if (answer.ok) say(await answer.text());
        else say("草稿这次没有存上，写的还在页面上；再写一个字会再试");
      } catch {
        say("本站程序正在重启，写的还在页面上");
        waiting = setTimeout(keep, 3000);
      }
      busy = false;
      if (again) { again = false; keep(); }
    };
    const soon = () => { clearTimeout(waiting); waiting = setTimeout(keep, KEEP_AFTER_MS); };
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    form.addEventListener("submit", () => { leaving = true; clearTimeout(waiting); });
    addEventListener("pageshow", () => { leaving = false; });
    addEventListener("pagehide", () => { if (waiting) keep(true); });
  }

  // <dd data-reads="id of a field" data-as="id | phone">: read back in large type, in the groups in which people say
  // a number. Most wrong numbers are caught by ear.
  function readBack(place) {
    const sizes = { id: [6, 4, 4, 4], phone: [3, 4, 4] }[place.dataset.as];
    const input = document.getElementById(place.dataset.reads);
    input?.addEventListener("input", () => {
      const compact = input.value.replace(/\s/g, "");
      const whole = sizes && compact.length === sizes.reduce((one, other) => one + other);
      let at = 0;
      const groups = whole ? sizes.map((size) => compact.slice(at, (at += size))) : [];
      // A line that is too short breaks in the middle of the number, as `aloud_id` has it.
      const aloud = groups.length === 4
        ? `${groups[0]}\u00a0${groups[1]} ${groups[2]}\u00a0${groups[3]}`
        : groups.join("\u00a0");
      place.textContent = aloud || input.value || "—";
    });
  }

  for (const field of document.querySelectorAll("[data-rows]")) rows(field);
  for (const input of document.querySelectorAll("[data-sums]")) total(input);
  for (const form of document.querySelectorAll("form[data-draft]")) drafts(form);
  for (const place of document.querySelectorAll("[data-reads]")) readBack(place);
  for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
  document.getElementById("errors")?.focus();
}
