// The queue measurements of BullMQ. Arguments: Redis; begin, fill or drain; how
// many jobs; how many at a time. Prints a JSON list of milliseconds.
import { setTimeout as pause } from "node:timers/promises";
import { Queue, Worker } from "bullmq";

const [address, action, count, hands] = process.argv.slice(2);
const [host, port] = address.split(":");
const n = Number(count);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const options = { removeOnComplete: true };

// begin sends the next job a little after the last one began.
async function begin() {
  const queue = new Queue("noop", { connection });
  let began;
  const worker = new Worker("noop", async () => began(performance.now()), { connection });
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  const took = [];
  const warmUp = Math.floor(n / 10) + 1;
  for (let i = 0; i < n + warmUp; i++) {
    await pause(3);
    const beginning = new Promise((resolve) => (began = resolve));
    const start = performance.now();
    await queue.add("noop", {}, options);
    took.push((await beginning) - start);
  }
  return took.slice(warmUp);
}

async function fill() {
  const queue = new Queue("noop", { connection });
  const data = "0123456789abcdef".repeat(64).slice(0, 1022);
  for (let i = 0; i < n; ) {
    const some = [];
    for (; i < n && some.length < 500; i++) some.push({ name: "noop", data, opts: options });
    await queue.addBulk(some);
  }
  return [];
}

function drain() {
  return new Promise((resolve) => {
    let left = n;
    const start = performance.now();
    new Worker("noop", async () => {
      if (--left === 0) resolve([performance.now() - start]);
    }, { connection, concurrency: Number(hands) });
  });
}

console.log(JSON.stringify(await { begin, fill, drain }[action]()));
process.exit(0);
