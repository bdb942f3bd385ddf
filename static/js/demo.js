// A page of a made-up user: the stock Socket.IO client, the bell, the channels, and a log of everything that went over the wire.

import { clock } from "./clock.js";

const main = document.getElementById("main");
const part = (id) => document.getElementById(id);
const LOGGED = 100;

const letters = new Map(); // id → {title, message, read, at}
const joined = new Map(); // name → true
let token = "";
let toldReason = "";

function made(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

// --- the log ---

function note(direction, event, payload) {
  const time = made("time", "", clock());
  const arrow = made("span", `dir ${direction}`, direction === "out" ? "↑" : direction === "in" ? "↓" : "·");
  arrow.title = direction === "out" ? "sent" : direction === "in" ? "received" : "connection";
  const what = made("span", "what", made("b", "", event));
  if (payload !== undefined) what.append(" ", made("span", "", typeof payload === "string" ? payload : JSON.stringify(payload)));
  part("events").prepend(made("li", "", time, arrow, what));
  while (part("events").children.length > LOGGED) part("events").lastChild.remove();
}

// --- the connection ---

function state(kind, text) {
  part("state").dataset.state = kind;
  part("state-text").textContent = text;
}

function refusal(text, code) {
  part("refusal").hidden = !text;
  part("refusal").replaceChildren(text, " ", made("code", "code", code ?? ""));
}

const socket = io({
  // WebSocket at once; a network that forbids it is noticed and polled through
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  // asked for at every connection, so that a page left open over night comes back with a token that still counts
  auth: async (send) => {
    try {
      token = (await (await fetch(main.dataset.tokenUrl)).json()).token;
    } catch {
      token = "";
    }
    send({ token });
  },
});

socket.on("connect", () => {
  toldReason = "";
  refusal("");
  const { engine } = socket.io;
  const name = () => state("on", `Connected · ${engine.transport.name}`);
  name();
  note("link", "connected", `${engine.transport.name}${socket.recovered ? ", recovered" : ""}`);
  engine.once("upgrade", () => {
    name();
    note("link", "upgraded", engine.transport.name);
  });
  for (const channel of [...joined.keys()]) if (!channel.startsWith("private-user.")) ask("subscribe", channel, false);
  fetchLetters();
});

socket.on("disconnect", (reason) => {
  note("link", "disconnected", reason);
  state(socket.active ? "wait" : "refused", socket.active ? "Connecting again …" : "Disconnected by the server");
  if (!socket.active) {
    const again = made("button", "button small", "Connect again");
    again.addEventListener("click", () => socket.connect());
    refusal(toldReason || "The server closed the connection.");
    part("refusal").append(again);
  }
});

socket.on("connect_error", (error) => {
  note("link", "connect_error", `${error.message} ${error.data?.code ?? ""}`);
  if (socket.active) return state("wait", "Connecting again …");
  state("refused", "Refused");
  refusal(error.message, error.data?.code);
  if (error.data?.retry) setTimeout(() => socket.connect(), 1000 * (error.data.retryAfter ?? 2) * (1 + Math.random()));
});

// Behind a published event stands its position, which a page has no use for: the library sends it when it returns.
const isPosition = (value) => typeof value === "string" && /^[\w-]{8}\.\d+$/.test(value);

socket.onAny((event, ...args) => {
  if (args.length > 1 && isPosition(args.at(-1))) args.pop();
  note("in", event, args.length > 1 ? args : args[0]);
});
socket.onAnyOutgoing((event, ...args) => note("out", event, args.find((arg) => typeof arg !== "function")));

socket.on("force_disconnect", ({ reason }) => (toldReason = reason));

// --- notifications ---

function showLetters(fresh) {
  const unread = [...letters.values()].filter((letter) => !letter.read).length;
  const badge = part("unread");
  badge.textContent = unread;
  badge.dataset.count = unread;
  document.title = document.title.replace(/^(\(\d+\) )?/, unread ? `(${unread}) ` : "");
  part("read-all").disabled = unread === 0;
  part("no-letters").hidden = letters.size > 0;
  const rows = [...letters].map(([id, letter]) => {
    const row = made("li", `letter${letter.read ? " read" : ""}${id === fresh ? " fresh" : ""}`, made("span", "letter-title", letter.title));
    row.dataset.id = id;
    if (letter.read) row.append(made("span", ""));
    else {
      const button = made("button", "button small", "Mark read", made("span", "visually-hidden", `: ${letter.title}`));
      button.type = "button";
      button.addEventListener("click", () => markRead([id]));
      row.append(button);
    }
    row.append(made("span", "letter-text", letter.message));
    return row;
  });
  part("letters").replaceChildren(...rows);
}

async function fetchLetters() {
  const answer = await fetch(main.dataset.listUrl, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) return;
  const { notifications } = await answer.json();
  const known = new Map(letters);
  letters.clear();
  for (const one of notifications) {
    letters.set(one.id, { title: one.title, message: one.message, read: one.is_read });
    known.delete(one.id);
  }
  for (const [id, letter] of known) letters.set(id, letter);
  showLetters();
}

socket.on("notification.sent", (data) => {
  if (!data || data.title === undefined) return;
  const id = data.id ?? `unsaved-${letters.size}`;
  const before = [...letters].filter(([known]) => known !== id);
  letters.clear();
  letters.set(id, { title: String(data.title), message: String(data.message ?? ""), read: false });
  for (const [known, letter] of before) letters.set(known, letter);
  showLetters(id);
  part("heard").textContent = `New notification: ${data.title}`;
});

function markRead(ids) {
  socket.emit("notification_read", { notificationId: ids }, (answer) => {
    note("in", "notification_read answered", answer);
    if (answer.error) return say("bad", answer.message, answer.code);
    read(answer.notificationIds);
  });
}

function read(ids) {
  for (const id of ids) if (letters.has(id)) letters.get(id).read = true;
  showLetters();
}

socket.on("notification_read", ({ notificationId }) => read([notificationId]));
part("read-all").addEventListener("click", () =>
  markRead([...letters].filter(([, letter]) => !letter.read).map(([id]) => id).slice(0, 50)),
);

// --- channels ---

function say(kind, text, code) {
  part("answer").className = `answer ${kind}`;
  part("answer").replaceChildren(text, " ", made("code", "code", code ?? ""));
  if (!code) part("answer").lastChild.remove();
}

function showJoined() {
  const rows = [...joined.keys()].map((name) => {
    const leave = made("button", "leave", "×");
    leave.type = "button";
    leave.setAttribute("aria-label", `Unsubscribe from ${name}`);
    leave.addEventListener("click", () => ask("unsubscribe", name));
    return made("li", "", name, leave);
  });
  part("joined").replaceChildren(...rows);
}

function ask(event, channel, speak = true) {
  socket.emit(event, { channel }, (answer) => {
    note("in", `${event} answered`, answer);
    if (answer.error) {
      joined.delete(channel);
      if (speak) say("bad", `${answer.error}: ${answer.message}`, answer.code);
    } else if (speak) {
      say("good", event === "subscribe" ? `Subscribed to ${channel}.` : `Left ${channel}.`);
    }
    showJoined();
  });
}

socket.on("connected", ({ channels }) => {
  for (const name of channels) joined.set(name, true);
  showJoined();
});
socket.on("subscribed", ({ channel }) => {
  joined.set(channel, true);
  showJoined();
});
socket.on("unsubscribed", ({ channel, message, code }) => {
  joined.delete(channel);
  if (message) say("bad", `${channel}: ${message}`, code);
  showJoined();
});

part("join").addEventListener("submit", (event) => {
  event.preventDefault();
  ask("subscribe", part("channel").value.trim());
});
for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => {
    part("channel").value = button.dataset.try;
    ask("subscribe", button.dataset.try);
  });
}
part("clear").addEventListener("click", () => part("events").replaceChildren());
showLetters();
