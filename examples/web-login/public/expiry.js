/**
 * Warns before the session ends, and hides the page when it has ended. It asks the server without
 * touching the session: a page that is left open must not keep its user logged in.
 */

const LONGEST_PAUSE_MS = 60_000;
const PAUSE_WHILE_WARNING_MS = 10_000;
/** At these numbers of seconds the warning is read out. */
const ANNOUNCED = [60, 30, 10];

const element = (id) => document.getElementById(id);
const bar = element("expiry");
const stay = element("stay");

let endsAt = 0;
let warning = false;
let canStay = true;
let ended = false;
/** Whether staying has failed since the server last said how long the session has left. */
let failed = false;
let announced = Number.POSITIVE_INFINITY;
let timer;

const secondsLeft = () => Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));

/** Takes over what the server says. */
function update(expiry) {
  endsAt = Date.now() + expiry.secondsLeft * 1000;
  warning = expiry.warning;
  canStay = expiry.canStay;
  failed = false;
  if (!warning) announced = Number.POSITIVE_INFINITY;
  show();
  scheduleCheck();
}

function show() {
  bar.hidden = !warning;
  stay.hidden = !canStay;
  if (!warning) return;
  const seconds = secondsLeft();
  const minutes = Math.floor(seconds / 60);
  element("expiry-left").textContent = `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  tell(situation());
  announce(seconds);
}

function situation() {
  if (failed) return "failed";
  return canStay ? "can-stay" : "must-end";
}

/** Shows one of the texts that the page has for the warning. */
function tell(situation) {
  for (const text of bar.querySelectorAll("[data-when]")) {
    text.hidden = text.dataset.when !== situation;
  }
}

/** Tells screen readers at the first warning and near the end, not each second. */
function announce(seconds) {
  const due = ANNOUNCED.some((limit) => seconds <= limit && announced > limit);
  if (announced !== Number.POSITIVE_INFINITY && !due) return;
  announced = seconds;
  const time = seconds >= 60 ? `${Math.ceil(seconds / 60)} minutes` : `${seconds} seconds`;
  element("expiry-announcement").textContent = `You will be logged out in ${time}.`;
}

function scheduleCheck() {
  clearTimeout(timer);
  const left = secondsLeft() * 1000;
  const pause = warning ? PAUSE_WHILE_WARNING_MS : Math.min(LONGEST_PAUSE_MS, left / 10);
  timer = setTimeout(check, Math.max(1000, Math.min(pause, left)));
}

/** Asks how long the session has left, without touching it. */
async function check() {
  if (document.hidden || ended) return;
  await ask("/session/status", {});
}

async function ask(url, options) {
  const headers = { accept: "application/json" };
  try {
    const response = await fetch(url, { ...options, headers, cache: "no-store" });
    if (response.status === 401) end();
    else if (response.ok) update(await response.json());
    else scheduleCheck();
    return response.ok;
  } catch {
    // The network is away. That says nothing about the session.
    scheduleCheck();
    return false;
  }
}

/** Hides what only its user may see. */
function end() {
  ended = true;
  warning = false;
  bar.hidden = true;
  for (const personal of document.querySelectorAll("main, [data-personal]")) personal.hidden = true;
  const here = encodeURIComponent(location.pathname + location.search);
  const section = element("ended");
  section.querySelector("a").href = `/login?next=${here}`;
  section.hidden = false;
  section.querySelector("h1").focus();
}

stay.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(stay));
  const stayed = await ask(stay.action, { method: "POST", body });
  if (stayed) {
    element("main").focus();
    element("expiry-announcement").textContent = "You stay logged in.";
  } else if (warning) {
    failed = true;
    show();
  }
});

setInterval(() => {
  if (warning && !document.hidden) show();
}, 1000);

// Timers do not run while a device sleeps, and another tab may have gone on.
document.addEventListener("visibilitychange", check);

// A page that the browser kept must not show again what was on it before a logout.
addEventListener("pagehide", () => {
  document.body.hidden = true;
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

const { secondsLeft: seconds, warning: warned, canStay: may } = bar.dataset;
update({ secondsLeft: Number(seconds), warning: warned === "true", canStay: may === "true" });
