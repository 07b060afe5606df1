// The only script of Guichet. Every page works without it. It refreshes the slots, counts down the time that is left,
// renews the captcha without a new page, goes on at a turn, and sends a form once on a double click. It moves the focus
// only to a mistake, and out of a form that can no longer be sent.

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

// The slots of a week. The bar shows the chosen one, and every message.

const clockText = (hours, minutes) => {
  const padded = String(minutes).padStart(2, "0");
  if (document.documentElement.lang.startsWith("fr")) return `${hours}\u00a0h\u00a0${padded}`;
  return `${String(hours).padStart(2, "0")}:${padded}`;
};

const slots = find("#slots");
const showChosen = () => {
  const panel = find("#chosen");
  const radio = find("input:checked", slots);
  if (!panel) return;
  panel.hidden = !radio;
  if (!radio) return;
  const { chosen, minutes } = slots.dataset;
  const [hour, minute] = radio.value.slice(11).split(":").map(Number);
  const end = hour * 60 + minute + Number(minutes);
  const date = find("legend", radio.closest("fieldset")).textContent;
  const values = { date, start: clockText(hour, minute), end: clockText(Math.floor(end / 60) % 24, end % 60) };
  find("strong", panel).textContent = fill(chosen, values);
  const left = new Map((find(".gu-days").dataset.left || "").split("|").map((pair) => pair.split("=")));
  const [count] = /\d+/.exec(find("b", radio.parentElement).textContent) || [];
  find("span", panel).textContent = left.get(count) || "";
};
if (slots) {
  slots.addEventListener("change", showChosen);
  slots.addEventListener("submit", (event) => {
    if (event.submitter?.name || find("input[name=slot]:checked", slots)) return;
    event.preventDefault();
    event.stopPropagation(); // it was not sent: a second click is not ignored
    announce(slots.dataset.missing);
    find("input[name=slot]", slots)?.focus();
  });
  showChosen();
}

if (slots?.dataset.refresh) {
  const { refresh: url, taken, pause: pauseLabel, resume: resumeLabel, stopped } = slots.dataset;
  const pause = find("#pause");
  let paused = false;
  let refreshes = 0;

  const patch = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (!old.contains(document.activeElement)) {
      const chosen = find("input:checked", old)?.value;
      const height = old.offsetHeight;
      old.replaceWith(fresh);
      if (fresh.offsetHeight < height) fresh.style.minBlockSize = `${height}px`; // what follows stays where it is
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

  // Scroll by as much as the change has moved the slots, so that none moves under a finger.
  const keepInPlace = (change) => {
    const before = slots.getBoundingClientRect().top;
    change();
    scrollBy({ top: slots.getBoundingClientRect().top - before, behavior: "instant" });
  };

  const update = (fresh) => {
    const [before, after] = [document, fresh].map((page) => find("#count, #state .fr-alert__title", page)?.textContent);
    if (before !== after) announce(after);
    const [days, successors] = [document, fresh].map((page) => [...page.querySelectorAll(".gu-day")]);
    for (const part of ["#weeks", "#state", "#time"]) patch(find(part), find(part, fresh));
    if (days.length === successors.length && Boolean(find("#choose")) === Boolean(find("#choose", fresh))) {
      find(".gu-days").dataset.left = find(".gu-days", fresh).dataset.left;
      days.forEach((day, n) => patch(day, successors[n]));
      if (find("#choose")) patch(find("#choose"), find("#choose", fresh));
    } else if (!document.activeElement.closest("#slots, .gu-bar")) {
      slots.replaceChildren(...find("#slots", fresh).childNodes); // the week has just opened
      for (const old of document.querySelectorAll("#chosen, #choose")) old.remove();
      find(".gu-bar").append(...fresh.querySelectorAll("#chosen, #choose"));
    }
    showChosen();
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
    keepInPlace(() => update(fresh));
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

// The turn of a hold. The page goes on by itself when it comes, once: else Back could not lead past it.

const turn = find("#turn");
if (turn && history.state !== "turn used") {
  setTimeout(() => {
    announce(turn.dataset.now);
    history.replaceState("turn used", "");
    turn.requestSubmit();
  }, Number(turn.dataset.wait));
}

// The time left on a hold.

const until = find("#until[data-left]");
if (until) {
  const { now, warn, over, longer } = until.dataset;
  const left = find("#left");
  let end = Date.now() + 1000 * Number(until.dataset.left);
  let warned = false;
  let timer;

  // The hold is over: the form cannot be sent. Its button sends what was typed to be kept for another slot.
  const close = () => {
    const step = find("#step");
    const wasInside = step.contains(document.activeElement) || until.contains(document.activeElement);
    step.inert = true;
    step.classList.add("gu-over");
    until.hidden = true;
    find("#over").hidden = false;
    if (wasInside) find("#over .fr-btn").focus();
  };

  const tick = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    left.textContent = fill(now, { time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` });
    if (!seconds) {
      clearInterval(timer);
      announce(over);
      close();
    } else if (seconds <= WARNING_TIME && !warned) {
      warned = true;
      announce(fill(warn, { seconds }));
    }
    until.classList.toggle("gu-until--soon", seconds <= WARNING_TIME);
  };

  const extend = async (button, url) => {
    const answer = await fetch(url, { method: "POST", headers: { Accept: "application/json" } });
    if (!answer.ok) return location.reload(); // the page says what has happened
    const hold = await answer.json();
    end = Date.now() + 1000 * hold.expires_in;
    warned = false;
    const clock = clockText(...hold.expires_at.slice(11, 16).split(":").map(Number));
    find("bdi", until).textContent = clock;
    announce(fill(longer, { clock }));
    if (!hold.can_extend) button.setAttribute("aria-disabled", "true"); // a disabled button would lose the focus
    return tick();
  };

  const button = find("#extend");
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    if (button.ariaDisabled === "true") return;
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
    find("audio", fresh)?.removeAttribute("autofocus"); // the focus stays on the button
    for (const part of ["#drawn", "#answer-label"]) find(part).replaceWith(find(part, fresh));
    find("[name=challenge]").value = find("[name=challenge]", fresh).value;
    find("#listen").textContent = find("#listen", fresh).textContent;
    for (const mistake of document.querySelectorAll("#errors, #answer-error")) mistake.remove();
    find("#answer").removeAttribute("aria-invalid");
    document.title = fresh.title;
    const sound = find("audio");
    announce(sound ? captcha.dataset.listen : captcha.dataset.renewed);
    sound?.play().catch(() => {}); // some browsers allow no sound yet: the player is on the page
    find("#answering").action = find("#answering", fresh).action;
    sent.delete(form);
  } catch {
    captcha.dataset.plain = "true"; // load a new page from now on
    sent.delete(form);
    form.requestSubmit(event.submitter);
  }
});

// The button that prints the page. Without script, the menu of the browser prints it.

const printing = find("#print");
if (printing) {
  printing.hidden = false;
  printing.addEventListener("click", () => print());
}
