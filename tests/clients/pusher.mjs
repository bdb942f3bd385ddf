// Pusher's server SDK for Node under remote control: one JSON command per line on stdin, one JSON answer per line on
// stdout. A command is {id, command, options, args}: a method of the SDK, on a client made with these options.
import { createInterface } from "node:readline";
import Pusher from "pusher";

async function call(command, options, args) {
  if (command === "webhook") {
    const [headers, rawBody] = args;
    return new Pusher(options).webhook({ headers, rawBody }).isValid();
  }
  try {
    const answer = await new Pusher(options)[command](...args);
    return { status: answer.status, body: await answer.text() };
  } catch (error) {
    if (error.status === undefined) throw error;
    return { status: error.status, body: error.body };
  }
}

async function answer(line) {
  const { id, command, options, args } = JSON.parse(line);
  let reply;
  try {
    reply = { id, result: await call(command, options, args) };
  } catch (error) {
    reply = { id, error: error.message };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit(0));
