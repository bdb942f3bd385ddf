// The live console: asks once a second for what it has not seen, and puts the rows that the server rendered on top. While
// it is paused, or nobody looks at the page, it does not ask, and workers soon note nothing for it any more.

import { clock } from "./clock.js";

const EVERY = 1000;
const PATIENCE = 5000;
const MOST = 500; // rows; older ones go
const SPEAK = 15000; // people who listen hear at most this often how much came

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const pulseText = document.getElementById("pulse-text");
const trouble = document.getElementById("trouble");
const spoken = document.getElementById("spoken");
const counts = document.getElementById("counts");
const records = document.getElementById("records");
const pause = document.getElementById("pause");

let cursors = {};
let timer = 0;
let over = false;
let paused = false;
let asking = false;
let seen = 0;
let skipped = 0;
let unspoken = 0;
let lastSpoken = 0;
let last = Date.now();

function show(state, text) {
  pulse.dataset.state = state;
  pulseText.textContent = text;
}

function complain(...parts) {
  trouble.replaceChildren(...parts);
  trouble.hidden = parts.length === 0;
}

function link(text, href) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = text;
  return anchor;
}

function count() {
  const words = [seen ? `${seen.toLocaleString("en")} seen` : "Nothing yet"];
  if (skipped) words.push(`${skipped.toLocaleString("en")} skipped: there were too many`);
  if (records.rows.length >= MOST) words.push(`the newest ${MOST} are shown`);
  counts.textContent = `${words.join("; ")}.`;
}

function speak() {
  if (!unspoken || Date.now() - lastSpoken < SPEAK) return;
  spoken.textContent = `${unspoken} more.`;
  lastSpoken = Date.now();
  unspoken = 0;
}

function carryOver(body) {
  cursors = body.cursors;
  seen += body.count;
  skipped += body.skipped;
  unspoken += body.count;
  if (body.count) {
    const rows = document.createElement("template");
    rows.innerHTML = body.rows;
    records.prepend(rows.content);
    while (records.rows.length > MOST) records.lastElementChild.remove();
  }
  count();
  speak();
  if (body.silent.length) complain(`Worker ${body.silent.join(", ")} did not answer: what happens there is missing.`);
  else complain();
}

async function ask() {
  const address = `${main.dataset.live}&cursors=${encodeURIComponent(JSON.stringify(cursors))}`;
  const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE) });
  const body = await answer.json();
  if (answer.status === 401) {
    over = true;
    show("lost", `Stopped at ${clock(last)}`);
    const back = `${main.dataset.signin}?next=${encodeURIComponent(location.pathname + location.search)}`;
    complain(`${body.message} `, link("Sign in", back), ".");
  } else if (!answer.ok) {
    show("late", `Last heard ${clock(last)}`);
    complain(`${body.message} (${body.code})`);
  } else {
    last = Date.now();
    carryOver(body);
    if (!paused) show("live", `Live · ${clock(last)}`);
  }
}

async function turn() {
  clearTimeout(timer);
  if (asking || paused || over || document.hidden) return;
  asking = true;
  try {
    await ask();
  } catch {
    show("lost", `No answer since ${clock(last)}`);
    complain("The server cannot be reached; trying again every second.");
  }
  asking = false;
  if (!over && !paused && !document.hidden) timer = setTimeout(turn, EVERY);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  if (paused) show("late", `Paused at ${clock(Date.now())}`);
  else turn();
});
document.getElementById("clear").addEventListener("click", () => {
  records.replaceChildren();
  seen = skipped = 0;
  count();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !over) turn();
  else if (!over && !paused) show("late", `Not looking since ${clock(Date.now())}`);
});
turn();
