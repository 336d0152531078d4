// Node's ws, with its native helper bufferutil. (utf-8-validate is not needed: Node has isUtf8.)
// maxPayload keeps its default of 100 MiB, which the largest row does not reach. With --deflate it compresses every
// message, small ones too, because the other servers have no threshold. With --broadcast it sends every message
// to all, by the loop of ws's README.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import 'bufferutil'; // without it ws would run, but more slowly
import WebSocket, { WebSocketServer } from 'ws';

const perMessageDeflate = process.argv.includes('--deflate') && { threshold: 0 };
const broadcast = process.argv.includes('--broadcast');
const tls = process.argv.includes('--tls') && process.argv[process.argv.indexOf('--tls') + 1];
const pem = tls && readFileSync(tls); // the certificate and its key
const server = tls ? createServer({ cert: pem, key: pem }) : undefined;
const wss = new WebSocketServer(
  server ? { server, perMessageDeflate } : { port: 0, host: '127.0.0.1', backlog: 4096, perMessageDeflate },
);
server?.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });

wss.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => {
    if (!broadcast) {
      ws.send(data, { binary: isBinary });
      return;
    }
    for (const client of wss.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
  });
});

wss.on('listening', () => {
  console.log('listening', wss.address().port);
});
