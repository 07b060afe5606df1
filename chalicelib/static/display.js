// The script of the screen in a waiting room. It asks every four seconds whom the desks call, marks each new call by a
// flash and two tones, says when the network is lost, and loads the page again for a new version and once a night.

const INTERVAL = 4_000; // milliseconds, as all of them
const PATIENCE = 8_000;
const LONGEST_PAUSE = 30_000;
const KEPT_WITHOUT_NETWORK = 120_000;
const YOUNGEST = 60_000; // a page that is younger does not load itself again
const NIGHT = "03"; // the hour, in the time zone of the service
const LONGEST_LIFE = 2 * 3_600_000; // of a page, until the next night
const MOST = 8; // calls on the screen
const find = (selector, within = document) => within.querySelector(selector);
const list = find("#calls");
const opened = performance.now();
let known; // the keys of all calls of the last answer
let failures = 0;
let isAsking = false;
let next; // the timers
let end;

// The sound. A browser starts it after a click only, and may refuse it after the page was loaded again.

const button = find("#sound");
let audio;
const setting = (value) => {
  try {
    if (value) localStorage.setItem("sound", value);
    return localStorage.getItem("sound");
  } catch {
    return value; // this browser keeps nothing
  }
};
const isOn = () => audio?.state === "running";
const label = () => {
  button.textContent = button.dataset[isOn() ? "on" : setting() === "on" ? "blocked" : "off"];
};
const start = () => {
  if (!audio) {
    audio = new AudioContext();
    audio.addEventListener("statechange", label);
  }
  audio.resume().then(label);
};
const ring = () => {
  if (!isOn()) return;
  for (const [pitch, wait] of [[660, 0], [880, 0.35]]) {
    const begin = audio.currentTime + wait;
    const tone = new OscillatorNode(audio, { frequency: pitch });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.setValueAtTime(0, begin);
    volume.gain.linearRampToValueAtTime(0.6, begin + 0.02);
    volume.gain.linearRampToValueAtTime(0, begin + 0.7);
    tone.connect(volume).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + 0.7);
  }
};
button.addEventListener("click", () => {
  if (isOn()) {
    setting("off");
    audio.suspend().then(label);
  } else {
    setting("on");
    start();
    audio.resume().then(ring);
  }
});
if (setting() === "on") start();
label();
button.hidden = false;

// The calls.

const keyOf = ({ desk, number, at }) => `${desk} ${number} ${at}`;
const clock = (moment) => `${Number(moment.slice(11, 13))}\u00a0h\u00a0${moment.slice(14, 16)}`;
const newRow = (call, isNew) => {
  const row = find("template").content.firstElementChild.cloneNode(true);
  row.dataset.key = keyOf(call);
  find("strong", row).textContent = call.number;
  find("b", row).textContent = call.desk;
  row.classList.toggle("gu-new", isNew);
  return row;
};
const say = ({ lost = false, over = false }) => {
  find("#trouble").hidden = !lost;
  find("#ask").hidden = !over;
  list.hidden = over || list.children.length === 0;
  find("#nobody").hidden = over || list.children.length > 0;
};
const place = (calls) => {
  const shown = calls.slice(0, MOST);
  const keys = new Set(shown.map(keyOf));
  for (const row of [...list.children]) if (!keys.has(row.dataset.key)) row.remove();
  const isNew = (call) => known !== undefined && !known.has(keyOf(call));
  shown.forEach((call, n) => {
    const row = list.children[n];
    if (row?.dataset.key !== keyOf(call)) list.insertBefore(newRow(call, isNew(call)), row ?? null);
  });
  if (calls.some(isNew)) ring();
  known = new Set(calls.map(keyOf));
};
const restartTimeout = () => {
  clearTimeout(end);
  end = setTimeout(() => say({ lost: true, over: true }), KEPT_WITHOUT_NETWORK);
};
const renew = async () => {
  const page = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (page.ok) location.reload(); // a page of an error would stay
};
const update = async ({ now, version, calls }) => {
  restartTimeout();
  place(calls);
  for (const time of document.querySelectorAll("time")) time.textContent = clock(now);
  say({});
  const age = performance.now() - opened;
  const isOld = version !== document.body.dataset.version && age > YOUNGEST;
  if (isOld || (now.slice(11, 13) === NIGHT && age > LONGEST_LIFE)) await renew();
};
const ask = async () => {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(next);
  const limit = new AbortController();
  const over = setTimeout(() => limit.abort(), PATIENCE);
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(location.href, { headers, redirect: "error", signal: limit.signal });
    if (answer.status === 404) location.reload(); // the link is over: the page says so
    if (!answer.ok) throw new Error(answer.status);
    await update(await answer.json());
    failures = 0;
  } catch {
    failures += 1;
    if (failures > 1 && find("#ask").hidden) say({ lost: true });
  }
  clearTimeout(over);
  isAsking = false;
  const pause = Math.min(INTERVAL * 2 ** failures, LONGEST_PAUSE);
  next = setTimeout(ask, pause * (0.9 + Math.random() / 5));
};
addEventListener("online", ask);
addEventListener("offline", () => say({ lost: true, over: !find("#ask").hidden }));

// The screen stays on, where the browser can do that.

const stayAwake = () => {
  if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
};
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
restartTimeout(); // the page has calls before the first answer
ask();
