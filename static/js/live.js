// Renews the parts of a page every two seconds and says how fresh they are. The server renders every part; this file
// only carries changes over, node by node, so that focus, selection and opened details stay where they are.

import { clock } from "./clock.js";
import { morph } from "./morph.js";

const EVERY = 2000;
const HIDDEN = 10000; // a page nobody looks at goes on, slower, so that its chart has no hole
const PATIENCE = 5000;
const SPEAK = 30000; // people who listen hear a change at most this often

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const pulseText = document.getElementById("pulse-text");
const trouble = document.getElementById("trouble");
const spoken = document.getElementById("spoken");

let last = Date.now();
let lastSpoken = 0;
let timer = 0;
let over = false;

function show(state, text) {
  pulse.dataset.state = state;
  pulseText.textContent = text;
  main.toggleAttribute("data-stale", state === "late" || state === "lost");
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

function carryOver(body) {
  for (const [name, html] of Object.entries(body.fragments)) {
    const holder = document.getElementById(`live-${name}`);
    if (holder) morph(holder, html);
  }
  if (body.spoken !== spoken.textContent && Date.now() - lastSpoken > SPEAK) {
    spoken.textContent = body.spoken;
    lastSpoken = Date.now();
  }
  document.dispatchEvent(new CustomEvent("figures", { detail: body }));
}

async function ask() {
  const answer = await fetch(main.dataset.live, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(PATIENCE),
  });
  const body = await answer.json();
  if (answer.status === 401) {
    over = true;
    show("lost", `Stopped at ${clock(last)}`);
    const back = `${main.dataset.signin}?next=${encodeURIComponent(location.pathname + location.search)}`;
    complain(`${body.message} These numbers stand still. `, link("Sign in", back), ".");
  } else if (!answer.ok) {
    show("late", `Numbers of ${clock(last)}`);
    complain(`${body.message} (${body.code}) These numbers are of ${clock(last)}.`);
  } else {
    last = Date.now();
    carryOver(body);
    show("live", `Live · ${clock(last)}`);
    complain();
  }
}

async function turn() {
  clearTimeout(timer);
  try {
    await ask();
  } catch {
    show("lost", `No answer since ${clock(last)}`);
    complain(`The server cannot be reached. These numbers are of ${clock(last)}; trying again every two seconds.`);
  }
  if (!over) timer = setTimeout(turn, document.hidden ? HIDDEN : EVERY);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !over) turn();
});
timer = setTimeout(turn, EVERY / 2);
show("live", `Live · ${clock(last)}`);
