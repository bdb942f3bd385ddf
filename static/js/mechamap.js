// A page's side of MechaMap real-time: one connection that survives what pages suffer, the bell, and the functions that
// the pages of MechaMap call. Needs socket.io-client 4 and nothing else; no inline code or style, no eval.
//
// In a layout: two classic scripts, which connect where <meta name="user-id"> names somebody (docs/laravel/README.md).
// In a bundle: import './mechamap.js'; then MechaMapRealtime.open(io, url, fetchToken, { channels: ['thread.7'] }).
(() => {
  "use strict";

  if (globalThis.MechaMapRealtime) return; // a layout inside a layout: the first copy is the one

  // --- the connection ---

  const SUBSCRIBING = new Set(["subscribe", "subscribe_request", "join_channel", "join_group"]);
  const LEAVING = new Set(["unsubscribe", "leave_channel", "leave_group"]);
  // A token that was good when it was fetched: another tab's token may have replaced it meanwhile.
  const REPLACED = new Set(["token_expired", "token_revoked", "token_invalid"]);
  const REPLACED_TRIES = 3;

  /** What an event says: in Laravel Echo's dialect the channel's name stands before it. */
  const dataOf = (told) => told.find((one) => one && typeof one === "object") ?? {};

  function channelOf(event, payload) {
    if (!SUBSCRIBING.has(event) && !LEAVING.has(event)) return undefined;
    if (event.endsWith("_group")) return `group.${payload?.group_id ?? payload}`;
    const name = payload?.channel ?? payload;
    return typeof name === "string" ? name : undefined;
  }

  /**
   * @param io          the function of socket.io-client 4
   * @param url         for example 'https://realtime.mechamap.com'
   * @param fetchToken  async; asks Laravel for a token, for every connection anew. An error with `final: true` ends the
   *                    connection for good (nobody is signed in); after any other it asks again.
   * @param channels    joined after every connection, as is every channel that the page subscribes to by `socket.emit`;
   *                    the user's own, private-user.N, is joined by the server
   * @param onRefused   told when the server refuses for good or sends the page away: error.message, error.data.code
   * @param options     of socket.io-client
   */
  function open(io, url, fetchToken, { channels = [], onRefused = console.warn, options = {} } = {}) {
    const wanted = new Map(channels.map((channel) => [channel, ["subscribe", { channel }]]));
    const sent = new Set(); // on the present connection
    let farewell = null;
    let replaced = 0;
    const socket = io(url, {
      ...options,
      auth: (send) =>
        fetchToken().then(
          (token) => send({ token }),
          (error) => (error?.final ? giveUp(error.message, { code: "signed_out" }) : connectAgain(5)),
        ),
    });

    // Random, so that a thousand pages do not come back in the same second.
    function connectAgain(seconds) {
      socket.disconnect();
      setTimeout(() => socket.connect(), seconds * 1000 * (1 + Math.random()));
    }

    function giveUp(message, data) {
      socket.disconnect();
      onRefused(Object.assign(new Error(message), { data }));
    }

    socket.onAnyOutgoing((event, payload) => {
      const name = channelOf(event, payload);
      if (name === undefined) return;
      if (LEAVING.has(event)) return wanted.delete(name);
      wanted.set(name, [event, payload]);
      sent.add(name);
    });

    socket.on("connected", ({ channels: restored = [] }) => {
      replaced = 0;
      // A page that was cut off for a moment has its channels again, and what it missed.
      for (const [name, packet] of [...wanted]) {
        if (!restored.includes(name) && !sent.has(name)) socket.emit(...packet);
      }
    });

    socket.on("subscription_error", (...told) => {
      const { channel, retry, retryAfter } = dataOf(told);
      if (!retry && retryAfter === undefined) return wanted.delete(channel);
      const again = () => socket.connected && wanted.has(channel) && socket.emit(...wanted.get(channel));
      setTimeout(again, (retryAfter ?? 2) * 1000 * (1 + Math.random()));
    });

    socket.on("unsubscribed", ({ channel, reason }) => {
      if (reason === "revoked") wanted.delete(channel);
    });

    socket.on("force_disconnect", (told) => (farewell = told));

    socket.on("disconnect", (reason) => {
      const told = farewell;
      farewell = null;
      sent.clear();
      // Whatever else ends a connection, the library comes back by itself.
      if (reason !== "io server disconnect") return;
      if (!told) connectAgain(5);
      else if (told.code === "token_expired") connectAgain(1);
      else onRefused(Object.assign(new Error(told.reason), { data: told }));
    });

    socket.on("connect_error", (error) => {
      // Network trouble: the library tries again. A refusal by the server it takes for final, and it is, unless the
      // server says that the reason will pass (its database is away), or a new token may do.
      if (socket.active) return;
      const { code, retry, retryAfter } = error.data ?? {};
      if (retry || retryAfter !== undefined) connectAgain(retryAfter ?? 2);
      else if (REPLACED.has(code) && ++replaced <= REPLACED_TRIES) connectAgain(replaced);
      else onRefused(error);
    });

    return socket;
  }

  globalThis.MechaMapRealtime = Object.freeze({ open });
  if (typeof document === "undefined") return;

  // --- the bell ---

  const NEWS = ["notification", "notification.sent", "notification.received"]; // names of the same thing
  const BADGES = "#notificationBadge, [data-unread-badge]";
  const REMEMBERED = 200;
  const seen = new Set();

  function shownCount() {
    const badge = document.querySelector(BADGES);
    return badge && !badge.hidden ? Number.parseInt(badge.textContent, 10) || 0 : 0;
  }

  function showCount(count) {
    // MechaMap's layout has a badge only where there is something to count.
    if (count > 0 && !document.querySelector(BADGES)) {
      const badge = document.createElement("span");
      badge.id = "notificationBadge";
      badge.className = "position-absolute top-0 start-100 translate-middle badge rounded-pill bg-danger";
      document.getElementById("notificationDropdown")?.append(badge);
    }
    for (const badge of document.querySelectorAll(BADGES)) {
      const label = badge.querySelector(".visually-hidden");
      badge.replaceChildren(count > 99 ? "99+" : String(count), ...(label ? [label] : []));
      badge.hidden = count === 0;
    }
  }

  function countIn(data) {
    const given = data.unread_count ?? data.unreadCount;
    const count = given === null || given === undefined || given === "" ? -1 : Number(given);
    return Number.isInteger(count) && count >= 0 ? count : undefined;
  }

  /** Whether it is told for the first time: Laravel announces one row under two names. */
  function isFresh(id) {
    if (id === undefined || id === null) return true;
    const key = String(id);
    if (seen.has(key)) return false;
    seen.add(key);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    return true;
  }

  function notified(data) {
    const notification = data.notification && typeof data.notification === "object" ? data.notification : data;
    const before = shownCount();
    const fresh = isFresh(notification.id);
    if (fresh) {
      tell("onNotification", notification);
      showIn(globalThis.handleNewNotification, notification);
    }
    // After the page's own function, which counts the rows of its list.
    showCount(countIn(data) ?? countIn(notification) ?? before + (fresh && !notification.is_read ? 1 : 0));
  }

  // --- the page's own functions, which write HTML ---

  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;" };

  /** Fit to stand in HTML, in text or in quotes; addresses, known by their name, only if they lead to a page. */
  function escaped(value, name = "") {
    if (typeof value === "string") {
      const text = /url|href|link/i.test(name) ? address(value) : value;
      return text.replace(/[&<>"'`]/g, (sign) => ENTITIES[sign]);
    }
    if (Array.isArray(value)) return value.map((one) => escaped(one, name));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [escaped(key), escaped(one, key)]));
  }

  function address(value) {
    try {
      return ["http:", "https:"].includes(new URL(value, location.href).protocol) ? value : "";
    } catch {
      return "";
    }
  }

  const word = (value, instead) => (typeof value === "string" && /^[\w -]+$/.test(value) ? value : instead);

  function showIn(show, notification) {
    if (typeof show !== "function") return;
    const title = String(notification.title ?? "");
    const message = String(notification.message ?? "");
    const action_url = String(notification.action_url ?? notification.data?.action_url ?? "");
    const safe = {
      ...escaped({ ...notification, title, message, action_url }),
      icon: word(notification.icon, "bell"),
      color: word(notification.color, "primary"),
    };
    guarded(show, safe);
    // Where it wrote text and not HTML, the signs stand as they are.
    for (const [selector, text] of [[".notification-toast-title", title], [".notification-toast-message", message]]) {
      for (const place of document.querySelectorAll(selector)) {
        if (place.textContent === escaped(text)) place.textContent = text;
      }
    }
  }

  /** A defect in one of the page's functions is told and stops nobody else. */
  function guarded(callback, ...values) {
    try {
      callback(...values);
    } catch (error) {
      console.error("MechaMap real-time:", error);
    }
  }

  // --- what pages call ---

  const callbacks = {
    onNotification: [], onConnect: [], onDisconnect: [], onError: [], onMissed: [], onTyping: [], onUserActivity: [],
  };
  const listeners = new Map(); // channel → functions
  const own = document.currentScript; // null in a bundle
  let socket = null;
  let over = null; // the error with which it was refused for good, or sent away

  function tell(type, data) {
    for (const callback of [...callbacks[type]]) guarded(callback, data);
  }

  function addCallback(type, callback) {
    callbacks[type]?.push(callback);
    // A refusal may come before the page's last script.
    if (type === "onError" && over) guarded(callback, over);
  }

  function removeCallback(type, callback) {
    if (callbacks[type]) callbacks[type] = callbacks[type].filter((one) => one !== callback);
  }

  function userId() {
    return own?.dataset.user || document.querySelector('meta[name="user-id"]')?.content;
  }

  function getWebSocketUrl() {
    if (own?.dataset.server) return own.dataset.server;
    const origin = own?.src ? new URL(own.src).origin : location.origin;
    return origin !== location.origin ? origin : globalThis.websocketConfig?.server_url || origin;
  }

  async function getAuthToken() {
    const headers = { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" };
    const response = await fetch(own?.dataset.tokenUrl || "/api/user/websocket-token", { headers });
    const final = [401, 403, 419].includes(response.status);
    if (final) throw Object.assign(new Error("Nobody is signed in."), { final });
    if (!response.ok) throw new Error(`no token: ${response.status}`);
    const answer = await response.json();
    const token = answer.data?.data?.token ?? answer.data?.token ?? answer.token;
    if (!token) throw new Error("no token in Laravel's answer");
    return token;
  }

  /** The page's one socket, made at the first call; null where nobody is signed in. */
  function connection() {
    if (socket || !userId()) return socket;
    if (typeof globalThis.io !== "function") {
      console.error("MechaMap real-time: load socket.io.min.js before mechamap.js");
      return null;
    }
    const onRefused = (error) => {
      over = error;
      // The person has too many pages open, and this one was looked at the longest ago.
      if (error.data?.code === "connection_limit") document.addEventListener("visibilitychange", comeBack);
      tell("onError", error);
    };
    // One connection instead of an upgrade after three requests; where something in between forbids it, polling (4.8).
    const options = { transports: ["websocket", "polling"], tryAllTransports: true };
    socket = open(globalThis.io, getWebSocketUrl(), getAuthToken, { onRefused, options });
    globalThis.mechaMapSocket = socket;
    globalThis.notificationService = Object.assign(globalThis.notificationService ?? {}, { socket });

    socket.on("connect", () => {
      over = null;
      tell("onConnect", { socket, userId: userId() });
    });
    socket.on("disconnect", (reason) => tell("onDisconnect", { reason }));
    socket.on("recovery", (told) => tell("onMissed", told));
    for (const event of NEWS) socket.on(event, (...told) => notified(dataOf(told)));
    for (const event of ["unread.count.updated", "notification_read", "notification.read", "notification.deleted"]) {
      socket.on(event, (...told) => {
        const data = dataOf(told);
        const count = countIn(data);
        const id = data.notification_id ?? data.notificationId;
        if (event.endsWith("read") && id !== undefined && typeof globalThis.updateNotificationUI === "function") {
          guarded(globalThis.updateNotificationUI, Number(id));
        }
        if (count !== undefined) showCount(count);
        else if (event === "notification.deleted" && data.was_read === false) showCount(Math.max(0, shownCount() - 1));
      });
    }
    for (const action of ["start", "stop"]) {
      socket.on(`typing_${action}`, (...told) => tell("onTyping", { ...dataOf(told), action }));
    }
    socket.on("user_activity", (...told) => tell("onUserActivity", dataOf(told)));
    socket.on("subscription_error", (...told) => {
      const { channel, retry, retryAfter, code, message } = dataOf(told);
      if (retry || retryAfter !== undefined) return; // asked for again
      listeners.delete(channel);
      tell("onError", Object.assign(new Error(message), { data: { channel, code } }));
    });
    // Laravel Echo's dialect names the channel of an event.
    socket.onAny((event, channel, data) => {
      if (event === "subscription_error" || typeof channel !== "string") return;
      for (const callback of listeners.get(channel) ?? []) guarded(callback, data, event);
    });
    return socket;
  }

  /** When somebody looks at the page again. Not before: pages must not push out each other. */
  function comeBack() {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", comeBack);
    socket.connect();
  }

  /** Every event of a channel, as (data, event), until the function that is returned is called. */
  function subscribe(channel, callback) {
    if (!listeners.has(channel)) {
      listeners.set(channel, []);
      connection()?.emit("subscribe", { channel, auth: {} });
    }
    listeners.get(channel).push(callback);
    return () => unsubscribe(channel, callback);
  }

  function unsubscribe(channel, callback) {
    const left = (listeners.get(channel) ?? []).filter((one) => callback && one !== callback);
    if (left.length) return listeners.set(channel, left);
    // The user's own channel stays: the bell hangs on it.
    if (listeners.delete(channel) && !/^(private-)?user\.\d+$/.test(channel)) socket?.emit("unsubscribe", { channel });
  }

  /** A promise of the connected socket, or of null where nobody is signed in or the server refuses. As often as the
   * page likes: there is one connection. */
  function initialize() {
    const one = connection();
    if (!one || one.connected) return Promise.resolve(one);
    if (over) return Promise.resolve(null);
    return new Promise((resolve) => {
      const refused = () => settle(null);
      function settle(value) {
        one.off("connect", connected);
        removeCallback("onError", refused);
        resolve(value);
      }
      const connected = () => settle(one);
      one.on("connect", connected);
      addCallback("onError", refused);
    });
  }

  const pages = {
    initialize,
    createConnection: initialize,
    getSocket: connection,
    isConnected: () => Boolean(socket?.connected),
    subscribe,
    unsubscribe,
    onNotification: (callback) => addCallback("onNotification", callback),
    addCallback,
    removeCallback,
    getWebSocketUrl,
    getAuthToken,
    // of the script before; the server joins the own channel, and notifications are listened to already
    subscribeToUserChannel() {},
    setupNotificationHandler: (_, callback) => addCallback("onNotification", callback),
    setupMessageHandler: (_, callback) => connection()?.on("message.received", callback),
  };
  // Not to be overwritten by the script before, if a page still loads that too.
  Object.defineProperty(globalThis, "MechaMapWebSocket", { value: Object.freeze(pages), enumerable: true });

  if (!own || own.dataset.auto === "off") return;
  if (!connection()) document.addEventListener("DOMContentLoaded", connection, { once: true });
})();
