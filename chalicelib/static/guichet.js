// The only script of Guichet. Every page works without it. It refreshes the slots, counts down the time that is left,
// renews the captcha without a new page, and sends a form once on a double click. It never moves the focus.

const REFRESH_INTERVAL = 15_000; // milliseconds
const MAX_REFRESHES = 40; // about ten minutes: pages that are left open must not load the service during a release
const WARNING_TIME = 60; // seconds before a hold expires

const find = (selector, within = document) => within.querySelector(selector);
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const announce = (text) => {
  find("#status").textContent = text;
};

async function pageAt(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Ignore a second click on a button until the first is answered.

const sent = new WeakSet();
addEventListener("submit", (event) => {
  if (sent.has(event.target)) event.preventDefault();
  sent.add(event.target);
  setTimeout(() => sent.delete(event.target), 4000);
});

// The slots of a week.

const slots = find("#slots[data-refresh]");
if (slots) {
  const { refresh: url, taken, pause: pauseLabel, resume: resumeLabel, stopped } = slots.dataset;
  const pause = find("#pause");
  let paused = false;
  let refreshes = 0;

  const patch = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (!old.contains(document.activeElement)) {
      const chosen = find("input:checked", old)?.value;
      old.replaceWith(fresh);
      const radio = chosen && find(`input[value="${chosen}"]`, fresh);
      if (radio) radio.checked = true;
      else if (chosen) announce(taken);
    } else if (old.children.length && old.tagName === fresh.tagName && old.children.length === fresh.children.length) {
      const pairs = [...old.children].map((child, n) => [child, fresh.children[n]]);
      for (const [child, successor] of pairs) patch(child, successor);
    } else {
      announce(taken);
    }
  };

  const refresh = async () => {
    if (paused || document.hidden || refreshes >= MAX_REFRESHES) return;
    refreshes += 1;
    let fresh;
    try {
      fresh = await pageAt(url);
    } catch {
      return; // try again at the next interval
    }
    if (paused || !find("#slots", fresh)) return;
    const [before, after] = [document, fresh].map((page) => find("#count, #state .fr-alert__title", page)?.textContent);
    if (before !== after) announce(after);
    patch(find("#state"), find("#state", fresh));
    if (Boolean(find("#choose")) === Boolean(find("#choose", fresh))) {
      const [days, successors] = [document, fresh].map((page) => [...page.querySelectorAll(".gu-day, #choose")]);
      days.forEach((day, n) => patch(day, successors[n]));
    } else if (!slots.contains(document.activeElement)) {
      slots.replaceChildren(...find("#slots", fresh).childNodes); // the week has just opened
    }
    if (refreshes === MAX_REFRESHES) {
      paused = true;
      pause.textContent = resumeLabel;
      announce(stopped);
    }
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    refreshes = 0;
    pause.textContent = paused ? resumeLabel : pauseLabel;
  });
  setInterval(refresh, REFRESH_INTERVAL + Math.random() * 2000); // spreads the requests of visitors who came at the same time
}

// The time left on a hold.

const until = find("#until[data-left]");
if (until) {
  const { now, warn, over, longer } = until.dataset;
  const left = find("#left");
  let end = Date.now() + 1000 * Number(until.dataset.left);
  let warned = false;
  let timer;

  const tick = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    left.textContent = fill(now, { time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` });
    if (!seconds) {
      clearInterval(timer);
      announce(over);
    } else if (seconds <= WARNING_TIME && !warned) {
      warned = true;
      announce(fill(warn, { seconds }));
    }
    until.classList.toggle("gu-until--soon", seconds <= WARNING_TIME);
  };

  const extend = async (button, url) => {
    const answer = await fetch(url, { method: "POST", headers: { Accept: "application/json" } });
    if (!answer.ok) return announce(over);
    const hold = await answer.json();
    end = Date.now() + 1000 * hold.expires_in;
    warned = false;
    const [hours, minutes] = hold.expires_at.slice(11, 16).split(":");
    const clock = document.documentElement.lang === "fr" ? `${Number(hours)}\u00a0h\u00a0${minutes}` : `${hours}:${minutes}`;
    find("bdi", until).textContent = clock;
    announce(fill(longer, { clock }));
    if (!hold.can_extend) button.disabled = true;
    return tick();
  };

  const button = find("#extend");
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    const url = button.formAction || button.form.action;
    extend(button, url).catch(() => button.form.requestSubmit(button));
  });
  timer = setInterval(tick, 1000);
  tick();
}

// Another picture or sound of the captcha, without a new page.

const captcha = find("#captcha");
captcha?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.action.endsWith("/captcha") || captcha.dataset.plain) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const fresh = await pageAt(form.action, { method: "POST", body });
    for (const part of ["#drawn", "#answer-label"]) find(part).replaceWith(find(part, fresh));
    find("[name=challenge]").value = find("[name=challenge]", fresh).value;
    find("#listen").textContent = find("#listen", fresh).textContent;
    for (const mistake of document.querySelectorAll("#errors, #answer-error")) mistake.remove();
    find("#answer").removeAttribute("aria-invalid");
    document.title = fresh.title;
    announce(captcha.dataset.renewed);
    sent.delete(form);
  } catch {
    captcha.dataset.plain = "true"; // load a new page from now on
    sent.delete(form);
    form.requestSubmit(event.submitter);
  }
});
