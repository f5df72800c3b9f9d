// Keys for those who type all day. In `form[data-keys]`: Enter goes on to the next field, Alt+1…9 to a section (#s1…),
// Alt+A adds a row, F8 presses [data-park], Ctrl+Enter [data-save]. On every page: Alt+X presses [data-key="x"]; a bare
// letter would take the letters of those who dictate (WCAG 2.1.4).
"use strict";

{
  // Not buttons: who types fast presses Enter once too often, and one of them takes a row out.
  const FIELDS = "input:not([type=hidden]):not([type=file]):not([type=submit]):not([type=button]), select, textarea";

  // The places of a form in which Enter stops: none that is folded away, where the focus cannot go; of radios that belong
  // together the one that is chosen, else the first.
  function places(form) {
    return [...form.querySelectorAll(FIELDS)].filter((place) => {
      if (place.disabled || place.readOnly || place.tabIndex < 0 || !place.checkVisibility()) return false;
      if (place.type !== "radio") return true;
      const together = [...form.querySelectorAll("input[type=radio]")].filter((other) => other.name === place.name);
      return place === (together.find((other) => other.checked) ?? together[0]);
    });
  }

  function onward(form, from) {
    const all = places(form);
    const radio = from.type === "radio" && all.find((place) => place.type === "radio" && place.name === from.name);
    const next = all[all.indexOf(radio || from) + 1] ?? document.querySelector("[data-save]");
    next?.focus();
    if (next?.matches("input:not([type=radio]):not([type=checkbox])")) next.select();
  }

  function section(form, digit) {
    const place = form.querySelector(`#s${digit}`);
    if (!place) return false;
    place.closest("details")?.setAttribute("open", "");
    place.scrollIntoView();
    (places(place)[0] ?? place).focus({ preventScroll: true });
    return true;
  }

  const press = (button) => (button ? (button.click(), true) : false);

  function act(event) {
    const form = document.querySelector("form[data-keys]");
    const alt = event.altKey && !event.ctrlKey && !event.metaKey;
    // `code`, not `key`: with Alt, some keyboards put another letter on the key.
    const letter = alt && /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
    if (letter && press(document.querySelector(`[data-key="${letter}"]`))) return true;
    if (!form) return false;
    if (letter === "a") {
      const table = event.target.closest("[data-rows]") ?? form.querySelector("[data-rows]");
      return press(table?.querySelector("[data-add]"));
    }
    const digit = alt && /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    if (digit) return section(form, digit);
    // The buttons may stand in the bar beside the form.
    if (event.key === "F8") return press(document.querySelector("[data-park]"));
    if (event.key !== "Enter") return false;
    if (event.ctrlKey || event.metaKey) return press(document.querySelector("[data-save]"));
    if (event.altKey || event.shiftKey || !form.contains(event.target)) return false;
    if (!event.target.matches(FIELDS) || event.target.matches("textarea")) return false;
    onward(form, event.target);
    return true;
  }

  // Which key it is, the script says: without it there is none.
  for (const button of document.querySelectorAll("[data-key]")) {
    const keys = `Alt+${button.dataset.key.toUpperCase()}`;
    button.setAttribute("aria-keyshortcuts", keys);
    for (const cap of button.querySelectorAll("kbd")) cap.textContent = keys;
  }

  document.addEventListener("keydown", (event) => {
    // While an input method composes, its keys are its own; 229 is what older browsers say then.
    if (event.isComposing || event.keyCode === 229 || event.repeat) return;
    if (act(event)) event.preventDefault();
  });
}
