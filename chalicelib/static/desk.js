// The script of the desk's list and of the calls. Every page works without it. It selects the words in the search box, so that the next
// scan replaces them; ticks all rows; and shows what colleagues note. It never moves the focus or a row (a click would
// hit another one), never changes a row that has the focus or is ticked, and never touches what was typed.

// The button that prints the page. Without script, the menu of the browser prints it. What nobody gets by e-mail is
// printed at once, but not again on the way back or after a reload.

const printing = document.querySelector("#print");
if (printing) {
  printing.hidden = false;
  printing.addEventListener("click", () => print());
  const [arrival] = performance.getEntriesByType("navigation");
  if (printing.dataset.focus) printing.focus(); // not `autofocus`: the browser passes over what is hidden
  if (printing.dataset.now && arrival.type === "navigate") print();
}

const REFRESH_INTERVAL = 15_000; // milliseconds
const find = (selector, within = document) => within.querySelector(selector);

const box = find("#q");
if (box && box === document.activeElement) box.select();
box?.addEventListener("focus", () => box.select());

// One box ticks all rows, for a backlog.

const boxes = (row = document) => [...row.querySelectorAll("#list tbody input[type=checkbox]")];
const addBox = () => {
  const head = find("#list thead th");
  if (!head || !boxes().length) return;
  const label = document.createElement("label");
  label.className = "gu-tick";
  label.innerHTML = '<input type="checkbox" id="every"><span class="gu-sr">Cocher toutes les lignes</span>';
  label.append(head.textContent);
  head.replaceChildren(label);
};
addEventListener("change", ({ target }) => {
  if (target.id === "every") for (const box of boxes()) box.checked = target.checked;
});
addBox();

// The rows that colleagues change. The request does not prolong the session, and stops when that has ended.

const kept = (row) => row.contains(document.activeElement) || find(":checked", row);
// Somebody who is no longer in the waiting room. The row stays where it is.
const leave = (row) => {
  row.classList.add("gu-gone");
  for (const button of row.querySelectorAll("button")) button.disabled = true;
};
const place = (fresh) => {
  let more = 0;
  for (const row of fresh.querySelectorAll("#list tbody tr")) {
    const same = document.getElementById(row.id);
    if (!same) more += 1;
    else if (!kept(same) && same.textContent !== row.textContent) same.replaceWith(row);
  }
  const queue = find("#list[data-live=queue]");
  if (queue) for (const row of queue.querySelectorAll("tbody tr")) if (!fresh.getElementById(row.id)) leave(row);
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const same = fresh.getElementById(part.id);
    if (same && same.textContent !== part.textContent) part.replaceChildren(...same.childNodes);
  }
  const other = find("#counter")?.dataset.seat !== find("#counter", fresh)?.dataset.seat;
  const news = find("#news");
  const text = other ? "Un collègue a changé ce guichet\u00a0: " : more ? `${more} de plus\u00a0: ` : "";
  if (find("span", news).textContent !== text) find("span", news).textContent = text;
  find("a", news).hidden = !text;
  const counts = [...fresh.querySelectorAll(".gu-filters b")];
  document.querySelectorAll(".gu-filters b").forEach((count, n) => (count.textContent = counts[n].textContent));
};
const refresh = async () => {
  if (document.hidden) return;
  const url = new URL(location.href);
  url.searchParams.set("live", "yes");
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) return clearInterval(timer);
  place(new DOMParser().parseFromString(await answer.text(), "text/html"));
};
const timer = find("#list[data-live]") && setInterval(() => refresh().catch(() => {}), REFRESH_INTERVAL);
