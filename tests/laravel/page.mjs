// A page that uses static/js/mechamap.js as shipped, in a bundle. Arguments: the server's URL and a JSON object
// {tokens: [...], channels: [...]}: each connection takes the next token (the last one stays), null being a Laravel that
// does not answer. Prints what happens as JSON lines, until its stdin ends.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { io } = createRequire(new URL('../clients/', import.meta.url))('socket.io-client');

const shipped = readFileSync(new URL('../../static/js/mechamap.js', import.meta.url), 'utf8');
await import(`data:text/javascript,${encodeURIComponent(shipped)}`);

// The page's own pauses pass ten times faster; the library, with native timers, keeps its own.
const realTimeout = globalThis.setTimeout;
globalThis.setTimeout = (callback, milliseconds, ...rest) => realTimeout(callback, milliseconds / 10, ...rest);

const [url, scenario] = [process.argv[2], JSON.parse(process.argv[3])];
const say = (event, ...args) => process.stdout.write(`${JSON.stringify([event, ...args])}\n`);

async function fetchToken() {
  const token = scenario.tokens.length > 1 ? scenario.tokens.shift() : scenario.tokens[0];
  say('token');
  if (token === null) throw new Error('no token: 500');
  return token;
}

const socket = MechaMapRealtime.open(io, url, fetchToken, {
  channels: scenario.channels,
  onRefused: (error) => say('refused', error.message, error.data),
  options: { useNativeTimers: true, reconnectionDelay: 50, reconnectionDelayMax: 200 },
});
for (const event of ['connect', 'disconnect']) socket.on(event, () => say(event));
socket.on('connect_error', (error) => say('connect_error', error.data ?? null));
socket.onAny(say);

process.stdin.resume().on('end', () => process.exit(0));
