// Node's ws as a client, with bufferutil. Its options and its line of JSON are those of lockstep.py.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import 'bufferutil'; // without it ws would run, but more slowly
import WebSocket from 'ws';

const names = ['port', 'server-pid', 'connections', 'size', 'warmup', 'seconds'];
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) });
const payload = Buffer.alloc(Number(values.size), 'x');
let echoes = 0;

function cpuOfAll() {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/).slice(1).map(Number);
  return [0, 1, 2, 5, 6, 7].reduce((sum, place) => sum + ticks[place], 0) / 100; // Linux's USER_HZ
}

function edge() {
  const own = process.cpuUsage();
  const floor = Number(readFileSync(`/proc/${values['server-pid']}/schedstat`, 'utf8').split(' ')[0]);
  return [echoes, (own.user + own.system) / 1e6, floor / 1e9, cpuOfAll(), performance.now() / 1e3];
}

for (let count = 0; count < Number(values.connections); count += 1) {
  const ws = new WebSocket(`ws://127.0.0.1:${values.port}/`, { perMessageDeflate: false });
  ws.on('message', (data) => {
    if (data.length !== payload.length) throw new Error(`an echo has ${data.length} bytes, not ${payload.length}`);
    echoes += 1;
    ws.send(payload);
  });
  await new Promise((resolve, reject) => ws.on('open', resolve).on('error', reject));
  ws.send(payload);
}

await sleep(Number(values.warmup) * 1e3);
const begin = edge();
await sleep(Number(values.seconds) * 1e3);
const [messages, own, floor, machine, seconds] = edge().map((after, place) => after - begin[place]);
const figures = {
  messages,
  seconds,
  messages_per_second: messages / seconds,
  client_us_per_message: (own / messages) * 1e6,
  server_busy: own / seconds,
  generator_busy: floor / seconds,
  others_busy: Math.max(0, (machine - own - floor) / seconds),
};
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
