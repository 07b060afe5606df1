// The script of the desk's list. Every page works without it. It selects the words in the search box, so that the next
// scan replaces them; ticks all rows; and shows what colleagues note. It never moves the focus or a row (a click would
// hit another one), never changes a row that has the focus or is ticked, and never touches what was typed.

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
const place = (fresh) => {
  let more = 0;
  for (const row of fresh.querySelectorAll("#list tbody tr")) {
    const same = document.getElementById(row.id);
    if (!same) more += 1;
    else if (!kept(same) && same.textContent !== row.textContent) same.replaceWith(row);
  }
  const news = find("#news");
  const text = more ? `${more} de plus\u00a0: ` : "";
  if (find("span", news).textContent !== text) find("span", news).textContent = text;
  find("a", news).hidden = !more;
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
