// Keys, the selected row, time left, and buttons that follow the review's state. The pages work without it.
"use strict";

const REST_MS = 500; // keys rest after a page opens, so that a double press can't reach the next review
const SOON_S = 300;
const NOW_S = 60;
const opened = performance.now();
let selected = null;

const byId = (id) => document.getElementById(id);
const rows = () => [...document.querySelectorAll(".queue tbody tr")];

function timeLeft(seconds) {
  if (seconds < 0) return "passed";
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds % 60)} s`;
}

function showTimeLeft() {
  for (const element of document.querySelectorAll("[data-expires]")) {
    const seconds = (Date.parse(element.dataset.expires) - Date.now()) / 1000;
    const text = timeLeft(seconds);
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("soon", seconds < SOON_S && seconds >= NOW_S);
    element.classList.toggle("now", seconds < NOW_S);
  }
}

function select(row) {
  for (const other of rows()) other.classList.toggle("selected", other === row);
  selected = row ? row.dataset.id : null;
  if (row) row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.id === selected);
  const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1);
  if (all[to]) select(all[to]);
}

function openSelected() {
  const link = document.querySelector(".queue tr.selected .kind a");
  if (link) link.click();
}

function go(id) {
  const link = byId(id);
  if (link) link.click();
}

// Going to a button is one key, pressing it another: Enter alone decides nothing.
function focusButton(id) {
  const button = byId(id);
  if (button && !button.disabled) button.focus();
}

function follow() {
  showTimeLeft();
  const live = byId("live");
  const decidable = live && live.dataset.decidable === "yes";
  for (const id of ["approve", "deny"]) if (byId(id)) byId(id).disabled = !decidable;
  const all = rows();
  if (all.length) select(all.find((row) => row.dataset.id === selected) || null);
}

const KEYS = {
  j: () => (rows().length ? move(1) : go("following")),
  k: () => (rows().length ? move(-1) : go("previous")),
  o: openSelected,
  Enter: openSelected,
  a: () => focusButton("approve"),
  d: () => focusButton("deny"),
  n: () => byId("note") && byId("note").focus(),
  u: () => go("up"),
  "?": () => byId("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (performance.now() - opened < REST_MS) {
    if (event.key === "Enter" || event.key === " ") event.preventDefault();
    return;
  }
  const target = event.target;
  if (event.key === "Escape" && target instanceof HTMLElement) {
    target.blur();
    return;
  }
  if (event.repeat && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault(); // a key held down presses nothing
    return;
  }
  if (target.closest("textarea, select, input, dialog")) return;
  if (event.key === "Enter" && target.closest("button, a")) return;
  const handler = KEYS[event.key];
  if (!handler) return;
  event.preventDefault();
  handler();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#keys-button")) byId("keys").showModal();
  const row = event.target.closest(".queue tbody tr");
  if (row && !event.target.closest("a")) row.querySelector(".kind a").click();
});

// One form is one decision: after it is sent its buttons rest, and the server knows its id besides.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.classList.contains("decide")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

document.addEventListener("change", (event) => {
  if (event.target.closest(".filter")) event.target.form.submit();
});

// A page that the browser kept comes back fresh: its form may have been sent.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

follow();
new MutationObserver(follow).observe(document.querySelector("main"), { childList: true, subtree: true });
setInterval(showTimeLeft, 1000);
