// Guichet's only script. Every page works without it; with it, the slots refresh by themselves, the time left is
// counted, the captcha is renewed in place, and a double click sends once. It never moves the focus.

const EVERY = 15_000; // milliseconds between two refreshes of the slots
const LAST = 40; // refreshes, about ten minutes: a page left open must not weigh on Monday
const EARLY = 60; // seconds before the end of a hold at which to warn

const one = (selector, within = document) => within.querySelector(selector);
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const say = (words) => {
  one("#status").textContent = words;
};

async function pageAt(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// A second click on a button does nothing while the first is on its way.

const sent = new WeakSet();
addEventListener("submit", (event) => {
  if (sent.has(event.target)) event.preventDefault();
  sent.add(event.target);
  setTimeout(() => sent.delete(event.target), 4000);
});

// The slots of a week.

const slots = one("#slots[data-refresh]");
if (slots) {
  const { refresh: url, taken, pause: pauseWords, resume: resumeWords, stopped } = slots.dataset;
  const pause = one("#pause");
  let paused = false;
  let times = 0;

  const patch = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (!old.contains(document.activeElement)) {
      const chosen = one("input:checked", old)?.value;
      old.replaceWith(fresh);
      const again = chosen && one(`input[value="${chosen}"]`, fresh);
      if (again) again.checked = true;
      else if (chosen) say(taken);
    } else if (old.children.length && old.tagName === fresh.tagName && old.children.length === fresh.children.length) {
      const pairs = [...old.children].map((child, n) => [child, fresh.children[n]]);
      for (const [child, successor] of pairs) patch(child, successor);
    } else {
      say(taken);
    }
  };

  const refresh = async () => {
    if (paused || document.hidden || times >= LAST) return;
    times += 1;
    let fresh;
    try {
      fresh = await pageAt(url);
    } catch {
      return; // the next one may pass
    }
    if (paused || !one("#slots", fresh)) return;
    const [before, after] = [document, fresh].map((page) => one("#count, #state .fr-alert__title", page)?.textContent);
    if (before !== after) say(after);
    patch(one("#state"), one("#state", fresh));
    if (Boolean(one("#choose")) === Boolean(one("#choose", fresh))) {
      const [days, successors] = [document, fresh].map((page) => [...page.querySelectorAll(".gu-day, #choose")]);
      days.forEach((day, n) => patch(day, successors[n]));
    } else if (!slots.contains(document.activeElement)) {
      slots.replaceChildren(...one("#slots", fresh).childNodes); // the week has just opened
    }
    if (times === LAST) {
      paused = true;
      pause.textContent = resumeWords;
      say(stopped);
    }
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    times = 0;
    pause.textContent = paused ? resumeWords : pauseWords;
  });
  setInterval(refresh, EVERY + Math.random() * 2000); // a crowd that came together does not ask together
}

// The time left on a hold.

const until = one("#until[data-left]");
if (until) {
  const { now, warn, over, longer } = until.dataset;
  const left = one("#left");
  let end = Date.now() + 1000 * Number(until.dataset.left);
  let warned = false;
  let timer;

  const tick = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    left.textContent = fill(now, { time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` });
    if (!seconds) {
      clearInterval(timer);
      say(over);
    } else if (seconds <= EARLY && !warned) {
      warned = true;
      say(fill(warn, { seconds }));
    }
    until.classList.toggle("gu-until--soon", seconds <= EARLY);
  };

  const extend = async (button, url) => {
    const answer = await fetch(url, { method: "POST", headers: { Accept: "application/json" } });
    if (!answer.ok) return say(over);
    const hold = await answer.json();
    end = Date.now() + 1000 * hold.expires_in;
    warned = false;
    const [hours, minutes] = hold.expires_at.slice(11, 16).split(":");
    const clock = document.documentElement.lang === "fr" ? `${Number(hours)}\u00a0h\u00a0${minutes}` : `${hours}:${minutes}`;
    one("bdi", until).textContent = clock;
    say(fill(longer, { clock }));
    if (!hold.can_extend) button.disabled = true;
    return tick();
  };

  const button = one("#extend");
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    const url = button.formAction || button.form.action;
    extend(button, url).catch(() => button.form.requestSubmit(button));
  });
  timer = setInterval(tick, 1000);
  tick();
}

// Another picture or sound, without a new page.

const captcha = one("#captcha");
captcha?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.action.endsWith("/captcha") || captcha.dataset.plain) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const fresh = await pageAt(form.action, { method: "POST", body });
    for (const part of ["#drawn", "#answer-label"]) one(part).replaceWith(one(part, fresh));
    one("[name=challenge]").value = one("[name=challenge]", fresh).value;
    one("#listen").textContent = one("#listen", fresh).textContent;
    for (const mistake of document.querySelectorAll("#errors, #answer-error")) mistake.remove();
    one("#answer").removeAttribute("aria-invalid");
    document.title = fresh.title;
    say(captcha.dataset.renewed);
    sent.delete(form);
  } catch {
    captcha.dataset.plain = "true"; // the ordinary way
    sent.delete(form);
    form.requestSubmit(event.submitter);
  }
});
