// Keeps the strip under the head true. It is replaced only when its words have changed, so that nobody who listens to
// the page is told the same thing every few seconds; the strip itself is the live region, its place never moves.
"use strict";

{
  const EVERY_MS = 3000;

  async function look() {
    const strip = document.getElementById("line-strip");
    if (document.hidden || !strip) return;
    try {
      const answer = await fetch(strip.dataset.refresh, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("line-strip");
      if (!fresh || words(fresh) === words(strip)) return;
      // What has the focus keeps it: only the inside is exchanged, and not while somebody stands on its link.
      if (strip.contains(document.activeElement)) return;
      strip.className = fresh.className;
      strip.replaceChildren(...fresh.childNodes);
    } catch {
      // The station itself is being restarted: the page stays as it is and asks again.
    }
  }

  const words = (part) => part.textContent.replace(/\s+/g, " ").trim();

  if (document.getElementById("line-strip")) {
    setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
  }
}
