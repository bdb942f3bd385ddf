// resources/js/realtime.js: one connection of the page to the real-time server, with everything that can go wrong handled.

/**
 * @param io          the function of socket.io-client 4
 * @param url         for example 'https://realtime.mechamap.com'
 * @param fetchToken  async; asks Laravel for a token. Called for every connection, so an old token is never sent twice.
 * @param channels    joined after every connection; the user's own channel, private-user.N, is joined by the server
 * @param onRefused   told when the server refuses for good (signed out, banned): error.message, error.data.code
 * @param options     of socket.io-client
 */
export function openRealtime(io, url, fetchToken, { channels = [], onRefused = console.warn, options = {} } = {}) {
  const socket = io(url, {
    ...options,
    auth: (send) => fetchToken().then((token) => send({ token }), () => connectAgain(5)),
  });

  // Random, so that a thousand pages do not come back in the same second.
  function connectAgain(seconds) {
    socket.disconnect();
    setTimeout(() => socket.connect(), seconds * 1000 * (1 + Math.random()));
  }

  socket.on('connect', () => {
    // A page that was cut off for a moment has its channels again, and what it missed.
    if (socket.recovered) return;
    for (const channel of channels) socket.emit('subscribe', { channel });
  });

  socket.on('connect_error', (error) => {
    // Network trouble: the library tries again by itself. A refusal by the server it takes for final, and it is, unless
    // the server says that the reason will pass (its database is away).
    if (socket.active) return;
    if (error.data?.retry) connectAgain(error.data.retryAfter ?? 2);
    else onRefused(error);
  });

  return socket;
}
