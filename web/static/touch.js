// The visitor's screen: back to the start a minute after the last touch, and the letters of the screen's own keyboard.
"use strict";

{
  const { minute, start, here } = document.body.dataset;
  const TOLD_EVERY_MS = 15000;
  let last = Date.now();
  let told = last;

  // Whoever reads and scrolls is there, and the server is told now and then.
  function touched() {
    last = Date.now();
    if (last - told < TOLD_EVERY_MS) return;
    told = last;
    fetch(here, { method: "POST" }).catch(() => {});
  }

  if (minute) {
    for (const name of ["pointerdown", "pointermove", "keydown", "scroll", "input"]) {
      addEventListener(name, touched, { passive: true });
    }
    setInterval(() => {
      if (Date.now() - last >= Number(minute) * 1000) location.replace(start);
    }, 1000);
  }
  // A page that the browser kept is somebody else's.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  addEventListener("contextmenu", (event) => event.preventDefault());

  for (const form of document.querySelectorAll("form[data-letters]")) {
    const input = form.querySelector("input[type=search]");
    form.addEventListener("click", (event) => {
      const key = event.target.closest("button[name=key]")?.value;
      if (!key) return;
      event.preventDefault();
      input.value = key === "clear" ? "" : key === "back" ? input.value.slice(0, -1) : input.value + key;
      input.dispatchEvent(new Event("input"));
    });
  }
}
