// Stock socket.io-client under remote control: one JSON command per line on stdin, one JSON answer per line on stdout.
//
// A command is {id, command, client, ...}; its answer {id, result} or {id, error}. One process holds many clients, each
// a browser of its own (forceNew). Every event a client sees, its own "connect", "disconnect" and "connect_error"
// included, is kept in order of arrival until a "wait" consumes it. Binary travels as {"$bytes": base64}.
//
// With the option `raw` the text of every message of Engine.IO is kept too, undecoded. With `echo` a client is Laravel
// Echo of that version around its socket; what Echo's own callbacks are called with is kept beside what the socket sees,
// as "heard <channel> <event>".
import { createInterface } from "node:readline";
import Echo20 from "echo20";
import Echo25 from "echo25";
import { io } from "socket.io-client";
import msgpack from "socket.io-msgpack-parser";

const MANAGER_EVENTS = ["reconnect", "reconnect_attempt", "reconnect_error", "reconnect_failed"];
const ECHOES = { "2.0": Echo20, "2.5": Echo25 };
const clients = new Map();

class Client {
  constructor(url, { parser, echo, raw, ...options }) {
    if (parser === "msgpack") options.parser = msgpack;
    this.received = []; // {event, args, at, consumed}; `at` in seconds of the machine's monotonic clock
    this.waiters = new Set();
    this.replies = new Map();
    if (echo) {
      const connector = { broadcaster: "socket.io", client: io, host: url, withoutInterceptors: true };
      this.echo = new ECHOES[echo]({ ...connector, forceNew: true, ...options });
    }
    this.socket = this.echo?.connector.socket ?? io(url, { forceNew: true, ...options });
    this.texts = [];
    if (raw) {
      const { io: manager } = this.socket;
      manager.on("open", () => manager.engine.on("message", (text) => this.texts.push(text)));
    }
    this.socket.onAny((event, ...args) => this.#received(event, args));
    this.socket.on("connect", () => this.note("connect", []));
    this.socket.on("disconnect", (reason) => this.note("disconnect", [reason]));
    this.socket.on("connect_error", (error) => this.note("connect_error", [describe(error)]));
    for (const event of MANAGER_EVENTS) {
      this.socket.io.on(event, (detail) =>
        this.note(`manager:${event}`, [detail instanceof Error ? describe(detail) : detail ?? null]));
    }
  }

  #received(event, args) {
    const acknowledge = typeof args.at(-1) === "function" ? args.pop() : null;
    this.note(event, args);
    if (acknowledge && this.replies.has(event)) acknowledge(...this.replies.get(event));
  }

  note(event, args) {
    this.received.push({ event, args, at: Number(process.hrtime.bigint()) / 1e9, consumed: false });
    for (const look of [...this.waiters]) look();
  }

  // The first `count` unconsumed events of any of these names, consumed; rejects after `timeout` milliseconds.
  wait(events, count, timeout) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.received.filter((one) => !one.consumed && events.includes(one.event)).slice(0, count);
        if (found.length < count) return;
        for (const one of found) one.consumed = true;
        finish(resolve, found.map(({ event, args }) => ({ event, args })));
      };
      const expire = () => finish(reject, new Error(
        `no ${count > 1 ? `${count} x ` : ""}${events.join(" or ")} within ${timeout} ms; ` +
        `received so far: ${JSON.stringify(this.received.map((one) => one.event))}`));
      const timer = setTimeout(expire, timeout);
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.waiters.delete(look);
        settle(value);
      };
      this.waiters.add(look);
      look();
    });
  }

  // Echo's channel of a kind (channel, private, join), and what tells of a callback of it.
  channel(kind, name) {
    const channel = this.echo[kind](name);
    return [channel, (event) => (...args) => this.note(`heard ${channel.name} ${event}`, args)];
  }

  state() {
    const { connected, active, id, recovered } = this.socket;
    const engine = this.socket.io.engine;
    return { connected, active, id: id ?? null, recovered: recovered ?? false, transport: engine?.transport?.name ?? null };
  }
}

function describe(error) {
  const detail = error.description?.status ?? error.description?.message ?? error.description ?? null;
  return { message: error.message, data: error.data ?? null, type: error.type ?? null,
    detail: typeof detail === "object" ? null : detail };
}

const commands = {
  open: ({ client, url, options }) => {
    if (clients.has(client)) throw new Error(`client ${client} exists`);
    clients.set(client, new Client(url, options));
  },
  emit: ({ socket }, { event, args }) => { socket.emit(event, ...args); },
  emit_ack: ({ socket }, { event, args, timeout }) =>
    new Promise((resolve, reject) => {
      socket.timeout(timeout).emit(event, ...args, (error, ...answer) =>
        error ? reject(new Error(`no acknowledgement of ${event} within ${timeout} ms`)) : resolve(answer));
    }),
  // Several in one tick, so that they leave in one write or one polling request.
  emit_many: ({ socket }, { events }) => { for (const [event, ...args] of events) socket.emit(event, ...args); },
  reply: ({ replies }, { event, args }) => { replies.set(event, args); },
  wait: (client, { events, count, timeout }) => client.wait(events, count, timeout),
  events: ({ received }, { event }) =>
    received.filter((one) => event === null || one.event === event).map(({ event, args, at }) => ({ event, args, at })),
  texts: ({ texts }) => texts,
  forget: (client) => { client.received.length = 0; },
  state: (client) => client.state(),
  echo_listen: (client, { kind, name, events }) => {
    const [channel, heard] = client.channel(kind, name);
    for (const event of events) channel.listen(event, heard(event));
  },
  echo_join: (client, { name }) => {
    const [channel, heard] = client.channel("join", name);
    channel.here(heard("here")).joining(heard("joining")).leaving(heard("leaving"));
  },
  echo_notification: (client, { name }) => {
    const [channel, heard] = client.channel("private", name);
    channel.notification(heard("notification"));
  },
  echo_whispers: (client, { kind, name, event }) => {
    const [channel, heard] = client.channel(kind, name);
    channel.listenForWhisper(event, heard(`whisper ${event}`));
  },
  echo_whisper: (client, { kind, name, event, data }) => { client.channel(kind, name)[0].whisper(event, data); },
  echo_leave: ({ echo }, { name }) => { echo.leave(name); },
  echo_socket_id: ({ echo }) => echo.socketId(),
  auth: ({ socket }, { auth }) => { socket.auth = auth; },
  connect: ({ socket }) => { socket.connect(); },
  disconnect: ({ socket }) => { socket.disconnect(); },
  // The network goes without a goodbye: a WebSocket's TCP connection breaks, a poll is aborted and none follows.
  // (engine.close() would send a close packet and a close frame.) A client that may reconnect starts to.
  drop: ({ socket }) => {
    const { transport } = socket.io.engine;
    if (transport.name === "websocket") transport.ws.terminate();
    else {
      transport.pollXhr?.abort();
      transport.onClose({ description: "the network is gone" });
    }
  },
  close: ({ socket }, { client }) => { socket.io.reconnection(false); socket.disconnect(); clients.delete(client); },
};

function revive(_, value) {
  return typeof value?.$bytes === "string" ? Buffer.from(value.$bytes, "base64") : value;
}

function bytesAsText(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("base64") };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(bytesAsText);
  if (value instanceof Error) return describe(value);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bytesAsText(inner)]));
  return value;
}

async function answer(line) {
  const { id, command, ...parameters } = JSON.parse(line, revive);
  let reply;
  try {
    const run = commands[command];
    if (!run) throw new Error(`unknown command ${command}`);
    const client = clients.get(parameters.client);
    if (command !== "open" && !client) throw new Error(`no client ${parameters.client}`);
    const result = command === "open" ? run(parameters) : run(client, parameters);
    reply = { id, result: bytesAsText((await result) ?? null) };
  } catch (error) {
    reply = { id, error: error.message };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit(0));
