// What the pages do by themselves; all of it is a convenience, every page works without it.
// Numbers follow /counts; a list is fetched again when its numbers changed, or its times grow old.

(() => {
  "use strict";

  const EVERY = 4000; // milliseconds between two looks at the counts
  const QUIET = 5000; // milliseconds without a touch after which a list may change under a resting pointer
  const STALE = 30000; // milliseconds after which written-out times are fetched again

  // --- A message about the step before belongs to one view, not to the address.
  const here = new URL(location.href);
  if (here.searchParams.has("said")) {
    here.searchParams.delete("said");
    history.replaceState(null, "", here);
  }
  document.getElementById("problem")?.focus();

  // --- One click, one request.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    // Later, so that the pressed button's own value is still sent.
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("button").forEach((button) => (button.disabled = false));
    });
  });

  // --- The lease runs down before the reader's eyes, by the server's clock.
  const lease = document.querySelector("[data-lease]");
  const left = lease?.querySelector("[data-left]");
  if (left) {
    const ends = Date.parse(lease.dataset.lease) - Date.parse(lease.dataset.now) + performance.now();
    const tick = () => {
      const seconds = Math.ceil((ends - performance.now()) / 1000);
      if (seconds <= 0) {
        lease.hidden = true;
        document.querySelector("[data-lease-over]").hidden = false;
        return;
      }
      const hours = Math.floor(seconds / 3600);
      const minutes = Math.floor((seconds % 3600) / 60);
      const two = (number) => String(number).padStart(2, "0");
      left.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
      lease.parentElement.classList.toggle("ending", seconds <= 60);
      setTimeout(tick, 1000);
    };
    tick();
  }

  // --- Live numbers and lists.
  const source = document.body.dataset.counts;
  if (!source) return;
  const numbers = new Intl.NumberFormat(document.documentElement.lang);
  const title = document.title;
  let known = null;
  let fetched = performance.now();
  let wanted = false;
  let touched = -Infinity;
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
    document.addEventListener(kind, () => (touched = performance.now()), { passive: true });
  }

  // Shows the numbers; says whether any of those on the page was another before.
  const show = (counts) => {
    let changed = false;
    document.querySelectorAll("[data-count]").forEach((place) => {
      const [queue, what] = place.dataset.count.split(".");
      const number = counts[queue]?.[what];
      if (number === undefined) return;
      const text = numbers.format(number);
      if (place.textContent !== text) {
        changed = true;
        place.textContent = text;
        place.classList.remove("flash");
        requestAnimationFrame(() => place.classList.add("flash"));
      }
      if ("hideZero" in place.dataset) place.hidden = number === 0;
    });
    const live = document.querySelector("[data-live-of]")?.dataset.liveOf;
    if (live && counts[live]) document.title = counts[live].waiting ? `(${numbers.format(counts[live].waiting)}) ${title}` : title;
    return changed;
  };

  const renew = async () => {
    const list = document.querySelector("[data-live]");
    // Not under the reader's hands: a row must not move away from a finger that is about to tap it.
    const busy = performance.now() - touched < QUIET && list?.matches(":hover, :focus-within");
    if (!list || busy || !getSelection().isCollapsed) return;
    const answer = await fetch(list.dataset.live, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
    if (!fresh) return;
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceWith(document.adoptNode(fresh));
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    wanted = false;
    fetched = performance.now();
  };

  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(source, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const counts = await answer.json();
        const now = JSON.stringify(counts);
        if (show(counts) || (known !== null && known !== now)) wanted = true;
        known = now;
        if (wanted || performance.now() - fetched > STALE) await renew();
        document.getElementById("offline").hidden = true;
      } catch {
        document.getElementById("offline").hidden = false;
      }
    }
    setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) wanted = true;
  });
})();
