// Parts of a page that come anew from the server: what is getting on (`data-live`), what one searches (`data-search`).
"use strict";

{
  const EVERY_MS = 3000;
  const PAUSE_MS = 120;

  // <div id="facts" data-live="/address of the same part">: asked again and again, exchanged when it has changed.
  function watch(id) {
    setInterval(async () => {
      const here = document.getElementById(id);
      if (document.hidden || !here) return;
      try {
        const answer = await fetch(here.dataset.live);
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
        if (!fresh || fresh.innerHTML === here.innerHTML) return;
        const held = here.contains(document.activeElement) ? document.activeElement : null;
        // Somebody is writing here: what they wrote is not taken away.
        if (held && held.matches("input, select, textarea")) return;
        here.replaceWith(fresh);
        if (held) again(fresh, held)?.focus({ preventScroll: true });
      } catch {
        // Being restarted: asked again.
      }
    }, EVERY_MS);
  }

  // What had the focus, in the part that came: whoever goes by keyboard stays where they are.
  function again(fresh, held) {
    const same = (name, other) => other.getAttribute(name) === held.getAttribute(name);
    return [...fresh.querySelectorAll(held.localName)].find((other) =>
      ["id", "href", "name", "value", "aria-label"].every((name) => same(name, other)),
    );
  }

  // <input data-search="/address" data-results="id">: the form sends the same with Enter and shows a whole page.
  function search(input) {
    const place = document.getElementById(input.dataset.results);
    const address = new URL(input.dataset.search, location.href);
    let waiting = 0;
    let asked = input.value.trim();
    const ask = async () => {
      const said = input.value.trim();
      if (said === asked) return;
      asked = said;
      address.searchParams.set("part", "1");
      address.searchParams.set(input.name || "q", said);
      try {
        const answer = await fetch(address);
        // Signed out meanwhile: the page itself leads to the sign-in.
        if (answer.redirected) return location.reload();
        // An answer that comes after the next question is not shown.
        if (answer.ok && asked === said) place.innerHTML = await answer.text();
      } catch {
        asked = "";
      }
    };
    const soon = (event) => {
      clearTimeout(waiting);
      // While an input method composes, the letters in the field are not the question yet.
      if (!event.isComposing) waiting = setTimeout(ask, PAUSE_MS);
    };
    input.addEventListener("input", soon);
    input.addEventListener("compositionend", soon);
  }

  for (const part of document.querySelectorAll("[data-live]")) watch(part.id);
  for (const input of document.querySelectorAll("input[data-search]")) search(input);
}
